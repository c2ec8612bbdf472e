"""Table files: bytes, columns and metadata that are not what was written."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from mpnas_ray.spaces import get_space
from mpnas_ray.spaces.natsbench_size import WIDTHS
from mpnas_ray.tables import LearningCurves, TableTask, write_curves, write_task
from mpnas_ray.tables.checking import check_tables
from mpnas_ray.tables.formats.official import OFFICIAL
from mpnas_ray.tables.loading import load_file

KINDS = [
    "ours.parquet",
    "curves.parquet",
    "nasbench101.parquet",
    "transnasbench101_micro.parquet",
    "natsbench_sss.parquet",
    "transnasbench101_macro.parquet",
]


def write(path: Path) -> None:
    """A sound small file of that kind."""
    rng = np.random.default_rng(0)
    if path.name == "nasbench101.parquet":
        table = {
            "hash_rank": np.arange(4),
            "adj_upper": ["1", "101", "111", "110101"],
            "ops": ["", "0", "2", "01"],
            "test_acc_ep108_mean3": rng.uniform(size=4),
        }
        pq.write_table(pa.table(table), path)
        return
    if path.name in OFFICIAL:
        archs = get_space(OFFICIAL[path.name].space).sample_many(6, rng)
        table = {OFFICIAL[path.name].key: np.arange(6), "arch_str": [str(arch).partition(":")[2] for arch in archs]}
        if path.name == "transnasbench101_micro.parquet":
            edges = ["0_1", "0_2", "1_2", "0_3", "1_3", "2_3"]
            table |= {f"op_e{edge}": archs.codes[:, slot] for slot, edge in enumerate(edges)}
        if path.name == "natsbench_sss.parquet":
            table |= {f"c{stage}": np.array(WIDTHS)[archs.codes[:, stage]] for stage in range(5)}
        table |= {
            c.column: -rng.uniform(size=6) if c.high == 0 else rng.uniform(size=6) for c in OFFICIAL[path.name].columns
        }
        pq.write_table(pa.table(table), path)
        return
    archs = get_space("nasbenchasr").enumerate()[rng.permutation(13_824)[:6]]
    about = {"datasets": ("d",), "metric": "accuracy", "mode": "max", "source": "a test", "licence": None}
    if path.name == "ours.parquet":
        write_task(TableTask("nasbenchasr/made-up", archs, rng.uniform(size=6), **about), path)  # type: ignore[arg-type]
        return
    curves = LearningCurves(
        "made-up", settings={"epochs": 3}, archs=archs, seeds=np.zeros(6, dtype=np.int64),
        scores=rng.uniform(size=(6, 3)), train_losses=rng.uniform(size=(6, 3)), test=rng.uniform(size=6),
        parameters=np.arange(6), flops=np.arange(6), seconds=rng.uniform(size=6), **about,  # type: ignore[arg-type]
    )  # fmt: skip
    write_curves({"made-up": curves}, path)


def read(path: Path) -> None:
    """Everything that commands do with a file."""
    (check,) = check_tables(path)
    tasks = load_file(path, variants=True)
    assert check.problem is not None or set(check.tasks) == {task.name for task in tasks}
    for task in tasks:
        assert np.isfinite(task.scores).all()
        assert len(task.canonical_keys) == len(task)
        assert task.value_of(str(task.archs[0])) == task.raw[0]


def set_all(value: Any) -> Callable[[Any], Any]:
    return lambda column: pa.array([value] * len(column))


def set_first(value: Any) -> Callable[[Any], Any]:
    return lambda column: pa.array([value, *column.to_pylist()[1:]])


def unused_value(column: Any) -> Any:
    encoded = column.combine_chunks().dictionary_encode()
    values = encoded.dictionary.to_pylist()
    extra = "nobody" if isinstance(values[0], str) else values[0]
    return pa.DictionaryArray.from_arrays(encoded.indices, pa.array([*values, extra]))


def null_in_dictionary(column: Any) -> Any:
    encoded = column.combine_chunks().dictionary_encode()
    return pa.DictionaryArray.from_arrays(encoded.indices, pa.array([None, *encoded.dictionary.to_pylist()[1:]]))


def cast_to(kind: Any) -> Callable[[Any], Any]:
    return lambda column: column.cast(kind, safe=False)


CHANGES: dict[str, Callable[[Any], Any]] = {
    **{f"all {value!r:.20}": set_all(value) for value in (None, 0, -1, 1, 2**62, 0.5, float("nan"))},
    **{f"all {value!r:.20}": set_all(value) for value in ("", "x", "²", b"\xff")},
    **{f"first {value!r:.20}": set_first(value) for value in (None, 0, -1, 2, 300, 2**63 - 1, -(2**63), 0.5, 1e300)},
    **{f"first {value!r:.20}": set_first(value) for value in (float("inf"), "x", "\uff11", "0" * 200, [1], {"a": 1})},
    "unused value": unused_value,
    "null in dictionary": null_in_dictionary,
    "dictionary": lambda column: column.combine_chunks().dictionary_encode(),
    "large uint64": lambda column: pa.array([2**63 + 1] * len(column), pa.uint64()),
    "decimal": lambda column: pa.array(range(len(column)), pa.decimal128(5)),
    "reversed": lambda column: column.take(pa.array(range(len(column))[::-1])),
    **{
        str(kind): cast_to(kind)
        for kind in (
            pa.large_string(), pa.string(), pa.string_view(), pa.binary(), pa.int8(), pa.uint64(), pa.float16(),
            pa.float32(), pa.float64(), pa.bool_(), pa.timestamp("ns"), pa.null(),
        )
    },
}  # fmt: skip


@st.composite
def changed_tables(draw: DrawFn, whole: Any) -> Any:
    """A table with changes of columns and rows; a change that pyarrow cannot make is not made."""
    table = whole
    for _ in range(draw(st.integers(1, 3))):
        if not table.num_columns:
            return table
        place = draw(st.integers(0, table.num_columns - 1))
        name, column = table.column_names[place], table.column(place)
        kind = draw(st.sampled_from(["change", "change", "change", "change", "drop", "twice", "rename", "rows"]))
        try:
            if kind == "change":
                table = table.set_column(place, name, CHANGES[draw(st.sampled_from(sorted(CHANGES)))](column))
            elif kind == "drop":
                table = table.remove_column(place)
            elif kind == "twice":
                table = table.append_column(name, column)
            elif kind == "rename":
                table = table.set_column(place, draw(st.sampled_from(["", "x", *whole.column_names])), column)
            else:
                rows = draw(st.lists(st.integers(0, max(0, table.num_rows - 1)), max_size=8 if table.num_rows else 0))
                table = table.take(pa.array(rows, pa.int64()))
        except (pa.ArrowException, ValueError, TypeError, OverflowError, IndexError):
            continue
    return table


@pytest.mark.parametrize("name", KINDS)
def test_bytes(name: str, tmp_path: Path, fuzz: Any, damaged_bytes: Any) -> None:
    path = tmp_path / name
    write(path)
    read(path)

    def check(content: bytes) -> None:
        path.write_bytes(content)
        read(path)

    fuzz(check, damaged_bytes(path.read_bytes()))


@pytest.mark.parametrize("name", KINDS)
def test_columns(name: str, tmp_path: Path, fuzz: Any) -> None:
    path = tmp_path / name
    write(path)

    def check(table: Any) -> None:
        try:
            content = io.BytesIO()
            pq.write_table(table, content)
        except (pa.ArrowException, ValueError, TypeError):
            return  # no Parquet file can hold it
        path.write_bytes(content.getvalue())
        read(path)

    fuzz(check, changed_tables(pq.read_table(path)))


@pytest.mark.parametrize("name", KINDS[:2])
def test_metadata(name: str, tmp_path: Path, fuzz: Any, damaged_json: Any) -> None:
    path = tmp_path / name
    write(path)
    table = pq.read_table(path)
    ((key, text),) = ((key, text) for key, text in table.schema.metadata.items() if key.startswith(b"mpnas"))

    def check(card: Any) -> None:
        pq.write_table(table.replace_schema_metadata({key: json.dumps(card).encode()}), path)
        read(path)

    fuzz(check, damaged_json(json.loads(text)))


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"version": ' + "[" * 500 + "]" * 500 + "}", "\x00", '{"version": NaN}']
)
@pytest.mark.parametrize("name", KINDS[:2])
def test_metadata_that_no_program_wrote(name: str, text: str, tmp_path: Path) -> None:
    write(tmp_path / name)
    table = pq.read_table(tmp_path / name)
    (key,) = (key for key in table.schema.metadata if key.startswith(b"mpnas"))
    pq.write_table(table.replace_schema_metadata({key: text.encode()}), tmp_path / name)
    (check,) = check_tables(tmp_path / name)
    assert check.problem is not None
