from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ray import tune
from ray.tune.search import Searcher

from cluster.replay import Replay, replay
from mpnas_ray.errors import SearchSpaceError, TableError, TaskError
from mpnas_ray.spaces import get_space
from mpnas_ray.tables import TableTask, write_task
from searchers import ArchitectureSearcher, MPNASSearch, RandomSearch
from trainables import TabularTrainable

SPACE = get_space("transnasbench101")


def table(num_archs: int = 4_096, mode: str = "max") -> TableTask:
    """Counts of 3x3 convolutions, nearly."""
    archs = SPACE.enumerate()[:num_archs]
    raw = (archs.codes == 3).sum(axis=1) + np.linspace(0, 0.5, num_archs)
    return TableTask("transnasbench101/counts", archs, raw, "count", mode, datasets=("made-up",))  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_task(table(), tmp_path / "counts.parquet")
    return tmp_path


def trainable(config: dict[str, object], task: TableTask | None = None) -> TabularTrainable:
    made = TabularTrainable.__new__(TabularTrainable)  # without Tune's constructor, which makes log folders
    made.setup(config, task)
    return made


def test_a_trial_reports_what_the_table_has_measured(folder: Path) -> None:
    task = table()
    config = {"arch": str(task.archs[7]), "tables": str(folder), "table_task": task.name}
    made = trainable(config)
    assert made.step() == {"count": task.raw[7], "done": True}
    assert made.reset_config({**config, "arch": str(task.archs[3_000])})
    assert made.step()["count"] == task.raw[3_000]
    assert trainable({"arch": str(task.archs[9])}, task).step()["count"] == task.raw[9]


def test_what_a_trial_lacks_is_named(folder: Path) -> None:
    with pytest.raises(TaskError, match=r'config\["arch"\] is missing'):
        trainable({"tables": str(folder), "table_task": "transnasbench101/counts"})
    with pytest.raises(TaskError, match=r'config\["table_task"\] is missing'):
        trainable({"arch": str(SPACE.enumerate()[0]), "tables": str(folder)})
    with pytest.raises(TableError, match="has no task 'x/y'"):
        trainable({"arch": str(SPACE.enumerate()[0]), "tables": str(folder), "table_task": "x/y"})


def test_values_by_text() -> None:
    task = table(100)
    assert task.value_of(task.archs[4]) == task.value_of(str(task.archs[4])) == task.raw[4]
    with pytest.raises(TableError, match="has not measured transnasbench101:"):
        task.value_of(SPACE.enumerate()[200])
    with pytest.raises(TableError, match="has not measured nasbench201:"):
        task.value_of(get_space("nasbench201").enumerate()[0])
    with pytest.raises(SearchSpaceError):
        task.value_of("transnasbench101:64-41414-9")


@pytest.mark.parametrize("mode", ["max", "min"])
def test_a_replay_finds_what_is_best_by_its_mode(mode: str) -> None:
    task = table(mode=mode)
    found = replay(MPNASSearch("transnasbench101", seed=0), task, 40)
    blind = replay(RandomSearch("transnasbench101", seed=0), task, 40)
    assert len(found.archs) == len(set(found.archs)) == 40
    best = found.best_so_far()
    assert (np.diff(best) >= 0).all()
    assert best[-1] >= blind.best_so_far()[-1]
    reached = found.queries_to(best[-1])
    assert reached is not None
    assert found.scores[reached - 1] == best[-1]
    assert found.queries_to(1e9) is None


def test_twins_are_queried_apart_only_if_asked_for() -> None:
    task = table()
    networks = replay(RandomSearch("transnasbench101", seed=0), task, 10_000)
    texts = replay(RandomSearch("transnasbench101", seed=0, twins=True), task, 10_000)
    assert len(networks.archs) == len(SPACE.distinct())
    assert len(texts.archs) == len(set(texts.archs)) == 4_096


def test_what_the_table_has_not_measured_is_a_failed_trial() -> None:
    task = table(2_000)
    searcher = RandomSearch("transnasbench101", seed=1, twins=True)
    found = replay(searcher, task, 60)
    missing = np.isnan(found.scores)
    assert 0 < missing.sum() < 60
    assert [trial.status == "failed" for trial in searcher.observations.trials.values()] == missing.tolist()
    assert np.isfinite(found.best_so_far()[-1])


def test_nothing_queried() -> None:
    assert Replay((), np.empty(0)).best_so_far().shape == (0,)


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize("kind", [MPNASSearch, RandomSearch])
def test_tune_and_the_replay_ask_for_the_same(kind: type[ArchitectureSearcher], folder: Path, tmp_path: Path) -> None:
    settings = {"synchronous": True} if kind is MPNASSearch else {}
    task = table()
    searcher: Searcher = kind("transnasbench101", seed=3, **settings)
    tuner = tune.Tuner(
        TabularTrainable,
        param_space={"tables": str(folder), "table_task": task.name},
        tune_config=tune.TuneConfig(
            metric=task.metric,
            mode=task.mode,
            search_alg=searcher,
            num_samples=12,
            max_concurrent_trials=1,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(storage_path=str(tmp_path / "runs"), verbose=0),
    )
    results = tuner.fit()
    assert not results.errors
    in_tune = [trial.arch for trial in searcher.observations.trials.values()]  # type: ignore[attr-defined]
    assert in_tune == list(replay(kind("transnasbench101", seed=3, **settings), task, 12).archs)
