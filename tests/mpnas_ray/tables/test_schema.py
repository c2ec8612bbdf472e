from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mpnas_ray.spaces import SPACE_NAMES, get_space
from mpnas_ray.tables import TableError, TableTask, load_tasks, read_task, write_task

Change = Callable[[Any], Any]


def assert_equal_tasks(one: TableTask, other: TableTask) -> None:
    for field in dataclasses.fields(TableTask):
        if field.name == "archs":
            assert one.archs.space is other.archs.space
            np.testing.assert_array_equal(one.archs.codes, other.archs.codes)
        elif field.name in ("raw", "scores"):
            np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))
        else:
            assert getattr(one, field.name) == getattr(other, field.name)


@pytest.mark.parametrize("space", SPACE_NAMES)
def test_a_task_of_any_space_comes_back_as_it_was(space: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sampled = {str(arch): arch for arch in get_space(space).sample_many(60, rng)}
    archs = type(get_space(space).sample_many(1, rng)).of(sampled.values(), get_space(space))
    task = TableTask(f"{space}/made-up", archs, rng.normal(size=len(archs)), "score", "max", licence="CC0-1.0")
    write_task(task, tmp_path / "made-up.parquet")

    assert_equal_tasks(read_task(tmp_path / "made-up.parquet"), task)


def test_load_tasks_reads_our_own_files_by_their_names_inside(small_task: TableTask, tmp_path: Path) -> None:
    other = dataclasses.replace(small_task, name="transnasbench101/other", mode="max", licence="MIT")
    write_task(small_task, tmp_path / "b.parquet")
    write_task(other, tmp_path / "a.parquet")

    tasks = load_tasks(tmp_path)

    assert list(tasks) == ["transnasbench101/other", "transnasbench101/made-up"]
    assert_equal_tasks(tasks["transnasbench101/made-up"], small_task)
    assert_equal_tasks(tasks["transnasbench101/other"], other)
    assert list(load_tasks(tmp_path, ["transnasbench101/other"])) == ["transnasbench101/other"]


def test_two_files_with_one_task_are_an_error_that_names_both(small_task: TableTask, tmp_path: Path) -> None:
    write_task(small_task, tmp_path / "a.parquet")
    write_task(small_task, tmp_path / "b.parquet")

    with pytest.raises(TableError, match=r"a\.parquet and .*b\.parquet both hold a task transnasbench101/made-up"):
        load_tasks(tmp_path)


def test_a_file_that_would_not_be_found_again_is_not_written(small_task: TableTask, tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"end in \.parquet"):
        write_task(small_task, tmp_path / "made-up.csv")
    assert not list(tmp_path.iterdir())


def rewritten(path: Path, table: Change = lambda table: table, card: Change = lambda card: card) -> None:
    """Change a written file's rows or card."""
    old = pq.read_table(path)
    metadata = {b"mpnas_table": json.dumps(card(json.loads(old.schema.metadata[b"mpnas_table"]))).encode()}
    pq.write_table(table(old).replace_schema_metadata(metadata), path)


def replace(column: str, values: Any) -> Change:
    def change(table: Any) -> Any:
        return table.set_column(table.schema.get_field_index(column), column, values(table.column(column)))

    return change


def not_utf8(rows: int) -> Any:
    return pa.Array.from_buffers(pa.string(), rows, pa.array([b"\x80"] * rows).buffers())


WRONG_TABLES: dict[str, tuple[Change, str]] = {
    "no values": (lambda table: table.drop_columns(["value"]), "has no column value. It has: arch"),
    "no rows": (lambda table: table.slice(0, 0), "has no rows"),
    "values are text": (replace("value", lambda v: v.cast(pa.string())), "value holds string, not floating point"),
    "a value is NaN": (replace("value", lambda v: pa.array([np.nan] * len(v))), "row 0 has no finite value"),
    "archs are no UTF-8": (replace("arch", lambda a: not_utf8(len(a))), "Invalid UTF8"),
    "archs are numbers": (replace("arch", lambda a: pa.array(range(len(a)))), "arch holds int64, not text"),
    "an arch is empty": (
        replace("arch", lambda a: pa.array([None, *a.to_pylist()[1:]], pa.string())),
        "arch has 1 empty entries",
    ),
    "an arch twice": (
        lambda table: pa.concat_tables([table, table.slice(0, 1)]),
        "an architecture comes more than once",
    ),
    "an arch of another space": (
        replace("arch", lambda a: pa.array(["nasbench101:|output~0|", *a.to_pylist()[1:]])),
        "is not a cell of transnasbench101",
    ),
}


@pytest.mark.parametrize("case", WRONG_TABLES)
def test_wrong_rows_are_named(small_task: TableTask, tmp_path: Path, case: str) -> None:
    change, message = WRONG_TABLES[case]
    write_task(small_task, tmp_path / "wrong.parquet")
    rewritten(tmp_path / "wrong.parquet", table=change)

    with pytest.raises(TableError, match=message) as caught:
        read_task(tmp_path / "wrong.parquet")
    assert str(tmp_path / "wrong.parquet") in str(caught.value)


WRONG_CARDS: dict[str, tuple[Change, str]] = {
    "a newer version": (lambda card: card | {"version": 2}, "of version 2 of our tables; this program reads version 1"),
    "not an object": (lambda card: [card], "of version None"),
    "no name": (lambda card: {k: v for k, v in card.items() if k != "name"}, "lacks name"),
    "data sets are one text": (lambda card: card | {"datasets": "cifar10"}, "lacks datasets"),
    "an unknown mode": (lambda card: card | {"mode": "best"}, "lacks mode"),
    "an unknown space": (lambda card: card | {"space": "nasbench999"}, "no search space 'nasbench999'"),
    "no licence said": (lambda card: {k: v for k, v in card.items() if k != "licence"}, "lacks licence"),
}


@pytest.mark.parametrize("case", WRONG_CARDS)
def test_a_wrong_card_is_named(small_task: TableTask, tmp_path: Path, case: str) -> None:
    change, message = WRONG_CARDS[case]
    write_task(small_task, tmp_path / "wrong.parquet")
    rewritten(tmp_path / "wrong.parquet", card=change)

    with pytest.raises(TableError, match=message):
        read_task(tmp_path / "wrong.parquet")


def test_a_flipped_byte_never_goes_unseen_in_the_rows(small_task: TableTask, tmp_path: Path) -> None:
    path = tmp_path / "own.parquet"
    write_task(small_task, path)
    whole = path.read_bytes()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    for place in np.random.default_rng(0).integers(4, footer, size=60):
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        path.write_bytes(damaged)
        try:
            assert_equal_tasks(read_task(path), small_task)  # a byte that nothing depends on, such as a size hint
        except TableError as error:
            assert str(path) in str(error)  # noqa: PT017 (either is right)
