"""Searches from the command line that use scores of untrained networks, or a predictor of another family."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cluster import run_search
from cluster.run.assemble.searcher import make_searcher
from cluster.run.assemble.zero_cost import zero_cost_score
from cluster.run.checking import check_config
from cluster.run.config import SearchConfig
from cluster.run.record import RunRecord
from cluster.storage.run_folder import RunFolder
from mpnas_ray.errors import MPNASError, PredictorError, RunError, TaskError
from mpnas_ray.spaces import Architectures, get_space
from searchers import MPNASSearch, NASWOTSearch, PredictorSearch
from searchers.testing import run_trials
from trainables import Split, Task, TaskData, get_task, mean_relative_l2, relative_l2
from trainables.networks.limits import NetworkSizes


def searching(**changes: object) -> SearchConfig:
    given = {"task": "darcy", "space": "nasbench201", "num_samples": 3, "epochs": 1, "preset": "small", "seed": 0}
    return SearchConfig(**{"searcher": "mpnas", **given, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        (
            {"searcher": "tpe", "proxy": "naswot"},
            RunError,
            "The searcher tpe uses no proxy: mpnas, naswot, area, oneshot do",
        ),
        ({"searcher": "naswot", "proxy": "nonsense"}, TaskError, "There is no proxy 'nonsense'. There are: "),
        ({"searcher": "predictor"}, PredictorError, "'default'"),
        ({"searcher": "predictor", "predictor": "oracle"}, PredictorError, "'oracle'"),
        ({"searcher": "area", "predictor": "oracle"}, RunError, "uses no meta-learned predictor"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, str], error: type[MPNASError], said: str) -> None:
    with pytest.raises(error, match=said):
        check_config(searching(**changes))


@pytest.mark.parametrize("searcher", ["mpnas", "naswot", "area"])
def test_proxies_are_kept_with_a_run(searcher: str, tmp_path: Path) -> None:
    given = searching(searcher=searcher, proxy="synflow", storage=tmp_path, name="run")
    check_config(given)
    folder = RunFolder(str(tmp_path), "run")
    record = RunRecord(given, "darcy")
    record.write(folder)
    assert RunRecord.read(folder) == record
    with pytest.raises(RunError, match="proxy 'synflow'"):
        RunRecord(searching(searcher=searcher, proxy="snip"), "darcy").check_same(record, folder)


@pytest.mark.long
def test_a_class_wise_proxy_on_a_dense_task_is_refused_before_anything_is_begun(tmp_path: Path, data_dir: Path) -> None:
    with pytest.raises(TaskError, match=r"epe_nas compares samples of one class.*choose another proxy"):
        run_search(
            task="darcy",
            space="nasbench201",
            num_samples=2,
            searcher="naswot",
            proxy="epe_nas",
            storage=tmp_path,
            data_dir=data_dir,
        )
    assert not list(tmp_path.rglob("run.json"))


def test_a_task_that_only_this_program_knows_has_no_proxy(tmp_path: Path) -> None:
    def load(data_dir: Path | None) -> TaskData:
        part = Split(torch.randn(32, 1, 8), torch.randn(32, 1, 8))
        return TaskData(train=part, validation=part, test=part)

    task = Task("mine", load, 1, relative_l2, mean_relative_l2, dense=True)
    with pytest.raises(RunError, match="cannot find mine by a name"):
        run_search(task=task, space="nasbench201", num_samples=2, searcher="naswot", storage=tmp_path)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"searcher": "mpnas", "proxy": "params"}, MPNASSearch),
        ({"searcher": "naswot", "proxy": "params"}, NASWOTSearch),
        ({"searcher": "predictor", "predictor": "random-forest"}, PredictorSearch),
    ],
)
def test_a_run_has_the_searcher_that_was_asked_for(changes: dict[str, str], kind: type, data_dir: Path) -> None:
    given, task = searching(task="digits", **changes), get_task("digits")
    searcher = make_searcher(given, task, None, zero_cost_score(given, task, task.load_checked(data_dir)))
    assert type(searcher) is kind
    results = run_trials(searcher, [str(number) for number in range(3)], lambda config: float(len(config["arch"])))
    assert len({config["arch"] for config in results}) == 3
    if "proxy" in changes:
        sizes = NetworkSizes((1, 8, 8), 10, False, "small").parameters(Architectures.of([c["arch"] for c in results]))
        usual = NetworkSizes((1, 8, 8), 10, False, "small").parameters(get_space("nasbench201").distinct())
        assert sizes.min() > np.median(usual), "large networks come first"
        assert searcher.events[0]["unusable_scores"] == 0


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_a_search_by_score_to_its_report(tmp_path: Path, data_dir: Path) -> None:
    report = run_search(
        task="digits",
        space="nasbench201",
        num_samples=2,
        epochs=1,
        searcher="area",
        max_concurrent=1,
        storage=tmp_path,
        name="run",
        data_dir=data_dir,
    )
    assert (report.num_trials, report.num_failed) == (2, 0)
    session, *events = [json.loads(line) for line in (tmp_path / "run" / "telemetry.jsonl").read_text().splitlines()]
    assert session["event"] == "session"
    assert (events[0]["event"], events[0]["candidates"]) == ("scored", 40)
    assert [event["rank"] for event in events if event["event"] == "proposal"] == [1, 2]
    assert json.loads((tmp_path / "run" / "run.json").read_text())["config"]["proxy"] == "naswot"
