"""A CSV file as a task: ``csv:FILE`` with a column to predict."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute, csv

from mpnas_ray.errors import TaskError
from mpnas_ray.names import did_you_mean
from trainables.data_options import DataOptions
from trainables.tasks.sources.memory import check_memory
from trainables.tasks.sources.samples import Form, Samples, find_file, targets_of

__all__ = ["read_csv_table"]

_LEAST_STEPS = 8
"""Columns of one word and a number, such as t0 ... t7, are taken for steps of a series if they are no fewer. Chosen,
not measured: a row of a few numbered columns is more often one of features."""


def read_csv_table(path: str, options: DataOptions) -> Samples:
    """Read the rows of a CSV file, whose first line names the columns, with commas, semicolons or tabs between.

    All columns but those of the target and the group are features.

    Raises:
        TaskError: If a column is missing or holds something else than it must, or a cell is empty.
    """
    file = find_file(path, "a CSV file")
    if not options.target:
        raise TaskError(f"{file}: say with --target which column is to be predicted; {_columns(_header(file))}")
    check_memory(
        4 * file.stat().st_size, f"{file}, of {file.stat().st_size / 1e9:.1f} GB,", "take a part of its rows or columns"
    )
    table = _read(file)
    names = table.column_names
    if repeated := [name for place, name in enumerate(names) if name in names[:place]]:
        raise TaskError(f"{file} has two columns of the name {repeated[0]!r}.")
    needed = [*options.target, *([options.group] if options.group else [])]
    for name in needed:
        if name not in names:
            raise TaskError(f"{file} has no column {name!r}; {_columns(names)}{did_you_mean(name, names)}")
    if options.group in options.target:
        raise TaskError(f"The column {options.group!r} cannot be both target and group.")
    features = [name for name in names if name not in needed]
    if not features:
        raise TaskError(f"{file} has no column beside {' and '.join(needed)}: there is nothing to predict from.")
    _check_numbers(table, features, file)
    table, skipped = _without_gaps(table, file, skip=options.skip_bad)
    form, order = _layout(features, options.rows, file)
    values = np.stack([_array(table, name).astype(np.float32) for name in order.reshape(-1)], axis=1)
    return Samples(
        inputs=values.reshape(len(values), *order.shape),
        targets=targets_of({name: _array(table, name) for name in options.target}, options, str(file)),
        form=form,
        parts=np.zeros(len(values), dtype=np.int64),
        groups=np.unique(_array(table, options.group), return_inverse=True)[1] if options.group else None,
        skipped=skipped,
    )


def _read(file: Path) -> pa.Table:
    """Read the file; the text of an empty cell is a gap, too."""
    try:
        table = csv.read_csv(
            file,
            parse_options=csv.ParseOptions(delimiter=_delimiter(file), newlines_in_values=True),
            convert_options=csv.ConvertOptions(strings_can_be_null=True),
        )
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise TaskError(f"{file} cannot be read as a CSV file: {reason}") from error
    for column in table.schema:
        if pa.types.is_binary(column.type):
            raise TaskError(f"{file} cannot be read as a CSV file: the column {column.name!r} is not all UTF-8.")
    if table.num_rows == 0:
        raise TaskError(f"{file} has no rows below its first line, which names the columns.")
    return table


def _delimiter(file: Path) -> str:
    """The commonest of the usual signs in the first line."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        first = lines.readline()
    return max(",;\t", key=first.count)


def _header(file: Path) -> list[str]:
    return [str(name) for name in _read(file).column_names]


def _columns(names: Sequence[str]) -> str:
    shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    return f"its columns are {shown}."


def _check_numbers(table: pa.Table, features: Sequence[str], file: Path) -> None:
    """Refuse features that are texts, dates or the like."""
    for name in features:
        kind = table.schema.field(name).type
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind) or kind == pa.null():
            continue
        texts = [
            other
            for other in features
            if pa.types.is_string(table.schema.field(other).type)
            or pa.types.is_temporal(table.schema.field(other).type)
        ]
        valid = table[name].drop_null()
        raise TaskError(
            f"{file}: the column {name!r} holds {'texts' if pa.types.is_string(kind) else f'values of type {kind}'}, "
            f"such as {valid[0].as_py()!s:.40}, and features must be numbers: write numbers in its place, or leave it "
            f"out of the file.{f' So do {len(texts) - 1} more columns.' if len(texts) > 1 else ''}"
        )


def _without_gaps(table: pa.Table, file: Path, *, skip: bool) -> tuple[pa.Table, tuple[str, ...]]:
    """The rows without empty cells, NaN and infinite numbers, and what was left out.

    Raises:
        TaskError: Naming the first such cell, unless they are to be left out.
    """
    bad = np.zeros(table.num_rows, dtype=bool)
    first: tuple[int, str] | None = None
    for name in table.column_names:
        column = table[name]
        gaps = compute.is_null(column, nan_is_null=True).to_numpy()
        if pa.types.is_floating(column.type):
            gaps |= ~np.isfinite(column.to_numpy())
        if gaps.any() and (first is None or gaps.argmax() < first[0]):
            first = (int(gaps.argmax()), name)
        bad |= gaps
    if first is None:
        return table, ()
    if not skip:
        raise TaskError(
            f"{file}: row {first[0] + 1} has no finite value in the column {first[1]!r}; {int(bad.sum()):,} of "
            f"{len(bad):,} rows have such a gap. Fill it in, or leave such rows out by --skip-bad."
        )
    if bad.all():
        raise TaskError(f"{file}: every row has a gap, the first in the column {first[1]!r}; --skip-bad leaves none.")
    return table.filter(pa.array(~bad)), tuple(f"row {row + 1} has a gap" for row in np.flatnonzero(bad))


def _layout(features: Sequence[str], rows: str, file: Path) -> tuple[Form, NDArray[Any]]:
    """Form of the rows, and the columns' names as ``[channels, length]``."""
    steps: dict[str, dict[int, str]] = {}
    numbered = True
    for name in features:
        found = re.fullmatch(r"(.*?)(\d+)", name)
        if found is None or int(found[2]) in steps.get(found[1], ()):
            numbered = False
            break
        steps.setdefault(found[1], {})[int(found[2])] = name
    equal = numbered and len({tuple(sorted(numbers)) for numbers in steps.values()}) == 1
    if rows == "series" and not equal:
        raise TaskError(
            f"{file}: the columns of series are named by a word for each channel and the number of the step, as in x0, "
            f"x1, y0, y1, with the same numbers for each word; "
            f"{f'{name!r} is none' if not numbered else 'here the numbers differ'}."
        )
    if equal and (rows == "series" or (rows == "auto" and len(next(iter(steps.values()))) >= _LEAST_STEPS)):
        order = [[numbers[number] for number in sorted(numbers)] for numbers in steps.values()]
        return "series", np.array(order, dtype=object)
    return "features", np.array([list(features)], dtype=object)


def _array(table: pa.Table, name: str) -> NDArray[Any]:
    values: NDArray[Any] = table[name].to_numpy()
    if pa.types.is_boolean(table[name].type):
        return values.astype(bool)
    return values.astype(str) if values.dtype == object else values
