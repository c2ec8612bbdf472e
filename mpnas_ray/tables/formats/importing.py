"""Read tasks from an official file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.errors import TableError
from mpnas_ray.spaces import Architectures, get_space
from mpnas_ray.tables.formats.cells import READERS
from mpnas_ray.tables.formats.official import OFFICIAL, OfficialColumn, OfficialTable
from mpnas_ray.tables.formats.parquet import floats, integers, read_columns
from mpnas_ray.tables.table_task import TableTask

__all__ = ["check_texts", "import_tasks", "read_cells"]


def import_tasks(path: Path, columns: Sequence[OfficialColumn]) -> list[TableTask]:
    """Read tasks from columns of the official file ``path``; leave out rows that were not measured (NaN).

    Raises:
        TableError: If the file is damaged, lacks a column, or holds a value or a cell that makes no sense.
    """
    official = OFFICIAL[path.name]
    if official.cells_in is None:
        archs, keys = read_cells(path, official)
        table = read_columns(path, [column.column for column in columns])
    else:
        archs, keys = _joined_cells(path, official)
        table = read_columns(path, [official.key, *(column.column for column in columns)])
        rows = integers(path, table, official.key)
        archs = archs[_rows_of(path, official, rows, keys)]
    tasks = []
    for column in columns:
        raw = floats(path, table, column.column)
        measured = ~np.isnan(raw)
        if not measured.any():
            raise TableError(f"{path}: column {column.column} is empty.")
        outside = np.flatnonzero(measured & ~((raw >= column.low) & (raw <= column.high) & np.isfinite(raw)))
        if outside.size:
            row = int(outside[0])
            raise TableError(
                f"{path}: column {column.column} has {raw[row]} in row {row}, "
                f"but a {column.metric} lies between {column.low} and {column.high} {column.unit}".rstrip()
                + "."
            )
        complete = bool(measured.all())
        tasks.append(
            TableTask(
                name=f"{official.space}/{column.task}",
                archs=archs if complete else archs[measured],
                raw=raw if complete else raw[measured],
                metric=column.metric,
                mode=column.mode,
                unit=column.unit,
                datasets=column.datasets,
                devices=column.devices,
                columns=(f"{path.name}:{column.column}",),
                source=column.source,
                licence=column.licence,
            )
        )
    return tasks


def read_cells(path: Path, official: OfficialTable) -> tuple[Architectures, NDArray[np.int64]]:
    """Read the file's architectures, and their numbers ``[N]`` by its key column."""
    space = get_space(official.space)
    reader = READERS[official.cells]
    dictionaries = reader.columns if reader.texts else ()
    table = read_columns(path, [official.key, *reader.columns], dictionaries=dictionaries)
    codes = reader.to_codes(path, table, space, official.operations)
    keys = integers(path, table, official.key)
    _refuse_repeats(path, official.key, keys)
    _refuse_repeats(path, "cell", np.ascontiguousarray(codes).view(f"V{codes.shape[1]}")[:, 0])
    return Architectures(space, codes), keys


def check_texts(path: Path, official: OfficialTable) -> None:
    """Compare the file's official architecture strings, if it has them, with those of the cells as we read them.

    Raises:
        TableError: At the first row in which they differ.
    """
    if official.text is None:
        return
    archs, _ = read_cells(path, official)
    texts = read_columns(path, [official.text], dictionaries=[official.text]).column(official.text).to_pylist()
    for row, (arch, text) in enumerate(zip(archs, texts, strict=True)):
        if str(arch) != f"{official.space}:{text}":
            raise TableError(f"{path}: row {row} says {text!r} in {official.text}, but its operations make {arch}.")


def _joined_cells(path: Path, official: OfficialTable) -> tuple[Architectures, NDArray[np.int64]]:
    """Read the cells of the file that this one refers to."""
    other = path.with_name(official.cells_in or "")
    if not other.is_file():
        raise TableError(
            f"{path} holds no cells, only their {official.key}: {other.name} is missing beside it. "
            f"Put it there, or take {path.name} away."
        )
    return read_cells(other, OFFICIAL[other.name])


def _rows_of(
    path: Path, official: OfficialTable, wanted: NDArray[np.int64], keys: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Find the row of each wanted number among ``keys``: a join, so the two files may be sorted differently."""
    _refuse_repeats(path, official.key, wanted)
    order = np.argsort(keys)
    rows = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)]
    unknown = np.flatnonzero(keys[rows] != wanted)
    if unknown.size:
        number = wanted[unknown[0]]
        raise TableError(
            f"{path}: row {unknown[0]} has {official.key} {number}, which {official.cells_in} does not have."
        )
    return rows


def _refuse_repeats(path: Path, what: str, values: NDArray[np.generic]) -> None:
    order = np.argsort(values, kind="stable")
    repeats = np.flatnonzero(values[order][1:] == values[order][:-1])
    if repeats.size:
        first, second = sorted((int(order[repeats[0]]), int(order[repeats[0] + 1])))
        raise TableError(f"{path}: rows {first} and {second} have the same {what}; each may come once.")
