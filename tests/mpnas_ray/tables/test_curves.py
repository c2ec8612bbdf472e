from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpnas_ray.spaces import get_space
from mpnas_ray.tables import LearningCurves, TableError, load_tasks, read_curves, write_curves
from mpnas_ray.tables.stratified import draw_stratified

SPACE = get_space("mixed")


def made_up(task: str, num_archs: int, epochs: int, repeated: int = 0, seed: int = 0) -> LearningCurves:
    """Trainings with made-up numbers: the first architectures twice; the last has a loss that was not finite."""
    rng = np.random.default_rng(seed)
    archs = draw_stratified(SPACE, num_archs, seed)
    rows = np.concatenate([np.arange(num_archs), np.arange(repeated)])
    n = len(rows)
    scores, losses, test = rng.uniform(size=(n, epochs)), rng.uniform(size=(n, epochs)), rng.uniform(size=n)
    scores[num_archs - 1, -1], losses[num_archs - 1, -1], test[num_archs - 1] = np.nan, np.nan, np.nan
    return LearningCurves(
        task=task,
        datasets=("made-up",),
        metric="accuracy",
        mode="max",
        settings={"epochs": epochs, "preset": "small"},
        archs=archs[rows],
        seeds=np.repeat([0, 1], [num_archs, repeated]).astype(np.int64),
        scores=scores,
        train_losses=losses,
        test=test,
        parameters=rng.integers(1_000, size=n),
        flops=rng.integers(1_000, size=n),
        seconds=rng.uniform(size=n),
        source="a test",
        licence="CC0-1.0",
    )


def assert_equal(one: LearningCurves, other: LearningCurves) -> None:
    for field in dataclasses.fields(LearningCurves):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        if field.name == "archs":
            np.testing.assert_array_equal(mine.codes, theirs.codes)
        elif isinstance(mine, np.ndarray):
            np.testing.assert_array_equal(mine, theirs)
        else:
            assert mine == theirs


@pytest.mark.long
@settings(max_examples=15, deadline=None)
@given(num_archs=st.integers(2, 12), epochs=st.integers(1, 5), seed=st.integers(0, 99))
def test_trainings_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, num_archs: int, epochs: int, seed: int
) -> None:
    path = tmp_path_factory.mktemp("tables") / "own.parquet"
    curves = {
        "one": made_up("one", num_archs, epochs, repeated=num_archs // 2, seed=seed),
        "two": made_up("two", num_archs, epochs + 1, seed=seed),  # the same architectures
    }
    write_curves(curves, path)
    found = read_curves(path)
    assert list(found) == ["one", "two"]
    for task, one in curves.items():
        assert_equal(found[task], one)


def test_tasks_are_what_trainings_came_to(tmp_path: Path) -> None:
    curves = made_up("one", 6, 3, repeated=2)
    write_curves({"one": curves}, tmp_path / "own.parquet")
    task = load_tasks(tmp_path)["mixed/one"]
    assert len(task) == 5, "the one that was not finite is left out"
    assert (task.metric, task.mode, task.datasets) == ("validation_accuracy", "max", ("made-up",))
    assert task.value_of(curves.archs[0]) == pytest.approx((curves.scores[0, -1] + curves.scores[6, -1]) / 2)
    assert task.value_of(curves.archs[3]) == curves.scores[3, -1]
    assert [str(arch) for arch in task.archs] == [str(arch) for arch in curves.archs[:5]]
    both = load_tasks(tmp_path, variants=True)
    assert list(both) == ["mixed/one", "mixed/one@test"]
    assert both["mixed/one@test"].value_of(curves.archs[3]) == curves.test[3]
    assert list(load_tasks(tmp_path, ["mixed/one@test"])) == ["mixed/one@test"]
    assert list(load_tasks(tmp_path / "own.parquet")) == ["mixed/one"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"test": np.zeros(3)}, "test of shape"),
        ({"scores": np.zeros((4, 2))}, r"\[trainings, epochs\]"),
        ({"archs": made_up("", 4, 1).archs[np.array([0, 1, 2, 2])]}, "more than once"),
    ],
)
def test_numbers_that_do_not_match_are_refused(change: dict[str, Any], named: str) -> None:
    with pytest.raises(TableError, match=named):
        dataclasses.replace(made_up("one", 4, 3), **change)


def rewritten(path: Path, change: dict[str, Any] | None = None, rows: slice = slice(None)) -> None:
    table = pq.read_table(path)
    card = json.loads(table.schema.metadata[b"mpnas_trainings"]) | (change or {})
    table = table.take(np.arange(table.num_rows)[rows])
    pq.write_table(table.replace_schema_metadata({b"mpnas_trainings": json.dumps(card).encode()}), path)


def test_files_that_are_not_understood_say_so(tmp_path: Path) -> None:
    path, whole = tmp_path / "own.parquet", made_up("one", 4, 3)

    def refused(named: str, **changes: Any) -> None:
        write_curves({"one": whole}, path)
        rewritten(path, **changes)
        with pytest.raises(TableError, match=named):
            read_curves(path)

    refused("version 2", change={"version": 2})
    refused("lacks something", change={"tasks": {"one": {"metric": "accuracy"}}})
    refused("says nothing of task 'one'", change={"tasks": {}})
    refused("do not all have the epochs 1 to 3", rows=slice(None, -1))
    refused("no search space|There is no", change={"space": "nowhere"})
    write_curves({"one": whole}, path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(TableError, match="damaged"):
        load_tasks(tmp_path)
    with pytest.raises(TableError, match=r"end in \.parquet"):
        write_curves({"one": whole}, tmp_path / "own.table")
    with pytest.raises(TableError, match="one space, source and licence"):
        write_curves({"one": whole, "two": dataclasses.replace(whole, licence=None)}, path)
