from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ray import tune
from ray.tune.search import Searcher

from cluster.experiments.replay.table import Replay, replay
from mpnas_ray.errors import SearchSpaceError, TableError, TaskError
from mpnas_ray.spaces import get_space
from mpnas_ray.tables import TableTask, write_task
from searchers import ArchitectureSearcher, MPNASSearch, RandomSearch, RegularizedEvolution
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


@pytest.mark.long
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


@pytest.mark.long
def test_isomorphic_cells_are_queried_apart_only_if_asked_for() -> None:
    task = table()
    networks = replay(RandomSearch("transnasbench101", seed=0), task, 10_000)
    texts = replay(RandomSearch("transnasbench101", seed=0, allow_isomorphic=True), task, 10_000)
    assert len(networks.archs) == len(SPACE.distinct())
    assert len(texts.archs) == len(set(texts.archs)) == 4_096


def test_what_the_table_has_not_measured_is_a_failed_trial() -> None:
    task = table(2_000)
    searcher = RandomSearch("transnasbench101", seed=1, allow_isomorphic=True)
    found = replay(searcher, task, 60)
    missing = np.isnan(found.scores)
    assert 0 < missing.sum() < 60
    assert [trial.status == "failed" for trial in searcher.observations.trials.values()] == missing.tolist()
    assert np.isfinite(found.best_so_far()[-1])


class Counting(Searcher):
    """Asks for the next architecture of the space each time, and notes what it is told and when."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[str] = []
        self.most = self.under_way = 0

    def suggest(self, trial_id: str) -> dict[str, str]:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        number = sum(entry.startswith("ask") for entry in self.log)
        self.log.append(f"ask {trial_id}")
        return {"arch": str(SPACE.enumerate()[number])}

    def on_trial_complete(self, trial_id: str, result: dict[str, object] | None = None, error: bool = False) -> None:
        self.under_way -= 1
        self.log.append(f"{'fail' if error else 'tell'} {trial_id}")

    def set_search_properties(self, *_: object, **__: object) -> bool:
        return True

    def save(self, checkpoint_path: str) -> None:
        raise NotImplementedError

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError


def test_one_trial_at_a_time_is_told_before_the_next_is_asked_for() -> None:
    searcher = Counting()
    found = replay(searcher, table(3), 5)
    told = ["tell", "tell", "tell", "fail", "fail"]
    assert searcher.log == [f"{what} query-{n}" for n in range(5) for what in ("ask", told[n])]
    assert list(found.archs) == [str(arch) for arch in SPACE.enumerate()[:5]]
    np.testing.assert_array_equal(found.scores, [*table(3).raw, np.nan, np.nan])


@pytest.mark.parametrize("num_concurrent", [2, 7, 40])
def test_concurrent_trials_end_out_of_order_and_each_is_told_once(num_concurrent: int) -> None:
    searcher, task = Counting(), table()
    found = replay(searcher, task, 30, num_concurrent=num_concurrent, seed=5)
    assert searcher.most == min(num_concurrent, 30)
    assert searcher.under_way == 0
    told = [entry.removeprefix("tell ") for entry in searcher.log if entry.startswith("tell")]
    queries = [f"query-{number}" for number in range(30)]
    assert sorted(told) == sorted(queries)
    assert told != queries
    np.testing.assert_array_equal(found.scores, task.raw[:30])  # in the order of asking, whenever they came
    # As soon as one ends, the next is asked for: after the first ones, asking and telling take turns.
    turns = [entry[:3] for entry in searcher.log[num_concurrent:]]
    assert turns[: 2 * (30 - min(num_concurrent, 30))] == ["tel", "ask"] * (30 - min(num_concurrent, 30))


def test_the_seed_is_that_of_the_order_in_which_trials_end() -> None:
    logs = []
    for seed in (0, 0, 1):
        searcher = Counting()
        replay(searcher, table(), 20, num_concurrent=4, seed=seed)
        logs.append(searcher.log)
    assert logs[0] == logs[1] != logs[2]
    searches = []
    for seed in (3, 3, 4):
        searcher = RegularizedEvolution("transnasbench101", seed=0, population_size=4)
        searches.append(replay(searcher, table(), 40, num_concurrent=4, seed=seed).archs)
        assert len(set(searches[-1])) == 40
    assert searches[0] == searches[1] != searches[2], "what a search asks for depends on which results it has"


def test_a_searcher_that_gives_out_less_than_it_may_is_not_asked_in_vain() -> None:
    limited = RandomSearch("transnasbench101", seed=0, max_concurrent=2)
    assert (
        replay(limited, table(), 15, num_concurrent=8).archs
        == replay(RandomSearch("transnasbench101", seed=0), table(), 15).archs
    ), "random search knows no results"
    few = RandomSearch("transnasbench101", seed=0, constraint=lambda archs: np.arange(len(archs)) < 5)
    assert len(replay(few, table(), 15, num_concurrent=8).archs) == 5
    with pytest.raises(ValueError, match="num_concurrent must be at least 1"):
        replay(limited, table(), 5, num_concurrent=0)


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
