"""Metrics of a search for Prometheus, scraped from Ray's exporter, and the dashboard that shows them."""

from __future__ import annotations

import json
import pickle
import re
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray
from ray import tune

from cluster.observe.metrics import METRICS, VERDICTS, SearchMetrics
from searchers import MPNASSearch, RandomSearch

ROOT = Path(__file__).parents[3]
DASHBOARD = ROOT / "cluster" / "deploy" / "grafana" / "mpnas.json"
PAGE = ROOT / "docs" / "watching.md"
KEY = "validation_loss"


def scrape(run: str) -> dict[str, float]:
    """Read the metrics of a run that the node of this process exports: name as in Prometheus -> value."""
    (node,) = ray.nodes()
    url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    text = urllib.request.urlopen(url).read().decode()
    lines = [line for line in text.splitlines() if f'run="{run}"' in line]
    found = {line.partition("{")[0]: float(line.rpartition(" ")[2]) for line in lines}
    assert len(found) == len(lines), "one series for each name"
    return found


class Stumble(tune.Callback):
    """Ends the experiment once, as a crash of the driver would, after a number of trials."""

    def __init__(self, after: int, marker: Path) -> None:
        self.after, self.marker = after, marker

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if sum(trial.is_finished() for trial in trials) >= self.after and not self.marker.exists():
            self.marker.touch()
            raise RuntimeError("stumbled")


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_a_search_that_stumbles_and_is_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_for: Callable[..., Any]
) -> None:
    class Trainable(tune.Trainable):
        """Quick, so that the time is that of searcher and export; the first one fails."""

        def setup(self, config: dict[str, Any]) -> None:
            self.arch, self.failed = config["arch"], Path(config["failed"])

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.setup(new_config)
            return True

        def step(self) -> dict[str, Any]:
            if not self.failed.exists():
                self.failed.touch()
                raise RuntimeError("injected")
            return {KEY: 5.0 - self.arch.count("conv_3x3") + self.arch.count("none") / 8, "done": True}

        def save_checkpoint(self, checkpoint_dir: str) -> None:
            Path(checkpoint_dir, "arch").write_text(self.arch)

        def load_checkpoint(self, checkpoint: Any) -> None:
            self.arch = Path(checkpoint, "arch").read_text()

    monkeypatch.setenv("TUNE_GLOBAL_CHECKPOINT_S", "0")
    searcher = MPNASSearch("nasbench201", seed=0, synchronous=True)  # waits for its refits, which are late otherwise
    of_search = SearchMetrics(searcher, "continued", KEY, "min")
    tuner = tune.Tuner(
        Trainable,
        param_space={"failed": str(tmp_path / "failed")},
        tune_config=tune.TuneConfig(
            search_alg=searcher, metric=KEY, mode="min", num_samples=8, max_concurrent_trials=2, reuse_actors=True
        ),
        run_config=tune.RunConfig(
            name="run",
            storage_path=str(tmp_path),
            callbacks=[of_search, Stumble(3, tmp_path / "stumbled")],
            verbose=0,
        ),
    )
    with pytest.raises(RuntimeError, match="stumbled"):
        tuner.fit()
    results = tune.Tuner.restore(str(tmp_path / "run"), Trainable).fit()
    assert (len(results), results.num_errors) == (8, 1)
    proposes_at_random = RandomSearch("nasbench201", KEY, "min", seed=0)
    proposes_at_random.suggest("1")
    of_random = SearchMetrics(proposes_at_random, "random", KEY, "min")
    of_random.on_step_end(1, [])  # exported when the others are
    best = min(result.metrics[KEY] for result in results if result.error is None)
    counts = {"proposals": 8, "trials_finished": 7, "trials_failed": 1, "trials_running": 0, "refits": 1}
    expected = {f"ray_mpnas_{name}": float(count) for name, count in counts.items()}
    wait_for(lambda: expected.items() <= scrape("continued").items(), f"{expected}")  # Ray exports every ten seconds
    found = scrape("continued")
    assert found.keys() == {f"ray_{name}" for name in METRICS}
    assert found["ray_mpnas_best_value"] == best
    assert 0 < found["ray_mpnas_ranking_age"] <= 8 - 4, "the refit knew of four results or more; a failure is one too"
    assert found["ray_mpnas_searcher_failures"] == 0
    assert found["ray_mpnas_transfer_verdict"] in VERDICTS.values()

    found = scrape("random")
    assert found.keys() == {f"ray_mpnas_{name}" for name in (*counts, "searcher_failures")} - {"ray_mpnas_refits"}
    assert found["ray_mpnas_proposals"] == 1


class Broken:
    """A trial of which nothing is known."""

    @property
    def status(self) -> str:
        raise RuntimeError("injected")


def test_an_error_is_told_once_and_goes_no_further(caplog: pytest.LogCaptureFixture) -> None:
    callback = SearchMetrics(RandomSearch("nasbench201", KEY, "min", seed=0), "run", KEY, "min")
    callback.setup()
    callback.on_step_end(1, [Broken()])
    callback.on_experiment_end([Broken()])
    assert [record.message for record in caplog.records] == ["The metrics of run run could not be brought up to date."]


def test_it_is_pickled_with_its_searcher() -> None:
    searcher = RandomSearch("nasbench201", KEY, "min", seed=0)
    callback = SearchMetrics(searcher, "run", KEY, "min")
    callback.on_step_end(1, [])  # from here on it holds gauges, which cannot be pickled
    again, other = pickle.loads(pickle.dumps((callback, searcher)))
    assert again._searcher is other


def panels() -> list[dict[str, Any]]:
    return list(json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"])


def test_the_dashboard_shows_every_metric_and_no_other() -> None:
    queries = [target["expr"] for panel in panels() for target in panel["targets"]]
    named = [name for query in queries for name in re.findall(r"\b(?:ray_)?mpnas_\w+", query)]
    assert set(named) == {f"ray_{name}" for name in METRICS}
    assert all('{run=~"$run"}' in query for query in queries)
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert variables.keys() == {"datasource", "run"}
    (asked,) = re.findall(r"label_values\(ray_(\w+),run\)", variables["run"]["query"]["query"])
    assert asked in METRICS


def test_the_panels_lie_side_by_side_and_ask_the_chosen_data_source() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {(place["x"] + column, place["y"] + row) for column in range(place["w"]) for row in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert all(column < 24 for column, _ in cells), "a dashboard of Grafana has 24 columns"
        taken |= cells
        assert {part["datasource"]["uid"] for part in (panel, *panel["targets"])} == {"${datasource}"}
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_the_page_lists_every_metric() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert re.findall(r"^\| `ray_(mpnas_\w+)` \|", page, flags=re.MULTILINE) == list(METRICS)


def test_the_page_shows_how_an_experiment_of_ones_own_has_them() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)
    assert isinstance(names["run_config"].callbacks[0], SearchMetrics)
