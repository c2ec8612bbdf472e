"""Read the codes of a space from the columns in which a table stores its architectures, all rows at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.errors import SearchSpaceError, TableError
from mpnas_ray.spaces import Architectures, SearchSpace
from mpnas_ray.spaces.nasbench101 import MAX_EDGES, MAX_VERTICES
from mpnas_ray.spaces.natsbench_size import WIDTHS
from mpnas_ray.tables.formats.parquet import integers

__all__ = ["READERS", "CodeReader"]

_FOUR_STATE_COLUMNS = ("op_e0_1", "op_e0_2", "op_e1_2", "op_e0_3", "op_e1_3", "op_e2_3")
"""``op_e<source>_<target>``: operation on each link, in the order of a four-state space's codes."""

_UPPER_TRIANGLE_COLUMNS = ("adj_upper", "ops")
"""Upper triangle of the n x n adjacency matrix, row by row, n(n-1)/2 characters; codes of the n-2 inner vertices."""

_WIDTH_COLUMNS = ("c0", "c1", "c2", "c3", "c4")
"""Channels of each stage of a network of NATS-Bench's size space."""

_TEXT_COLUMNS = ("arch_str",)
"""Official architecture string."""

_ABSENT = -1


def _four_state_codes(path: Path, table: Any, space: SearchSpace, operations: tuple[str, ...]) -> NDArray[np.int8]:
    """Read codes ``[N, 6]``; ``operations`` are the names that the file's codes 0, 1, ... stand for."""
    stored = np.stack([integers(path, table, column) for column in _FOUR_STATE_COLUMNS], axis=1)
    wrong = (stored < 0) | (stored >= len(operations))
    if wrong.any():
        row, slot = np.argwhere(wrong)[0]
        raise TableError(
            f"{path}: row {row} has the operation {stored[row, slot]} in {_FOUR_STATE_COLUMNS[slot]}; "
            f"codes are 0 to {len(operations) - 1}."
        )
    return _translation(space, operations)[stored]


def _upper_triangle_codes(path: Path, table: Any, space: SearchSpace, operations: tuple[str, ...]) -> NDArray[np.int8]:
    """Read codes ``[N, 26]`` of NAS-Bench-101: 21 edges, five operations.

    Both columns come dictionary-encoded. There are only some thousand different triangles and 364 different lists of
    operations, so these are translated and checked once each, and rows look them up.
    """
    adjacency, triangles = _dictionary(table, "adj_upper")
    labels, lists = _dictionary(table, "ops")
    edges = np.zeros((len(triangles), MAX_VERTICES * (MAX_VERTICES - 1) // 2), dtype=np.int8)
    num_vertices = np.zeros(len(triangles), dtype=np.int8)
    for row, triangle in enumerate(triangles):
        bits, n = _edges(triangle)
        if n == 0:
            raise TableError(f"{path}: adj_upper {triangle!r} is not the upper triangle of a cell of {space.name}.")
        edges[row], num_vertices[row] = bits, n
    names = np.full((len(lists), MAX_VERTICES - 2), _ABSENT, dtype=np.int8)
    allowed = {str(code): translated for code, translated in enumerate(_translation(space, operations))}
    for row, digits in enumerate(lists):
        if len(digits) > MAX_VERTICES - 2 or not set(digits) <= set(allowed):
            raise TableError(f"{path}: ops {digits!r} are not at most five codes of 0 to {len(operations) - 1}.")
        names[row, : len(digits)] = [allowed[digit] for digit in digits]
    num_labels = np.array([len(digits) for digits in lists], dtype=np.int8)
    mismatch = np.flatnonzero(num_vertices[adjacency] != num_labels[labels] + 2)
    if mismatch.size:
        row = mismatch[0]
        raise TableError(
            f"{path}: row {row} has a cell of {num_vertices[adjacency[row]]} vertices (adj_upper) "
            f"but {num_labels[labels[row]]} operations (ops); there must be two less."
        )
    return np.concatenate([edges[adjacency], names[labels]], axis=1)


def _width_codes(path: Path, table: Any, space: SearchSpace, operations: tuple[str, ...]) -> NDArray[np.int8]:
    """Read codes ``[N, 5]`` of the size space."""
    stored = np.stack([integers(path, table, column) for column in _WIDTH_COLUMNS], axis=1)
    codes = np.searchsorted(WIDTHS, stored).clip(max=len(WIDTHS) - 1)
    wrong = np.array(WIDTHS)[codes] != stored
    if wrong.any():
        row, stage = np.argwhere(wrong)[0]
        raise TableError(
            f"{path}: row {row} has {stored[row, stage]} channels in {_WIDTH_COLUMNS[stage]}; "
            f"{space.name} has {', '.join(map(str, WIDTHS))}."
        )
    return codes.astype(np.int8)


def _text_codes(path: Path, table: Any, space: SearchSpace, operations: tuple[str, ...]) -> NDArray[np.int8]:
    """Read codes ``[N, code_length]`` off the architecture strings, which come dictionary-encoded."""
    rows, texts = _dictionary(table, _TEXT_COLUMNS[0])
    try:
        return Architectures.of(texts, space).codes[rows]
    except SearchSpaceError as error:
        raise TableError(f"{path}: {error}") from error


def _edges(triangle: str) -> tuple[NDArray[np.int8], int]:
    """Bring a cell's triangle to the 7 x 7 layout of the space, whose output is vertex 6; (zeros, 0) if it is none."""
    full = np.zeros((MAX_VERTICES, MAX_VERTICES), dtype=np.int8)
    rows_columns = np.triu_indices(MAX_VERTICES, k=1)
    n = next((n for n in range(2, MAX_VERTICES + 1) if n * (n - 1) // 2 == len(triangle)), 0)
    if n == 0 or not set(triangle) <= {"0", "1"} or triangle.count("1") > MAX_EDGES:
        return full[rows_columns], 0
    small = np.zeros((n, n), dtype=np.int8)
    small[np.triu_indices(n, k=1)] = [int(bit) for bit in triangle]
    if not (small[:-1].any(axis=1).all() and small[:, 1:].any(axis=0).all()):  # a vertex without reader or source
        return full[rows_columns], 0
    there = [*range(n - 1), MAX_VERTICES - 1]
    full[np.ix_(there, there)] = small
    return full[rows_columns], n


def _dictionary(table: Any, column: str) -> tuple[NDArray[np.int64], list[str]]:
    """Read a dictionary-encoded column: index of each row's value ``[N]``, and the values."""
    encoded = table.column(column).chunk(0)  # the only one, see `read_columns`
    return np.asarray(encoded.indices.to_numpy(), dtype=np.int64), encoded.dictionary.to_pylist()


def _translation(space: SearchSpace, operations: tuple[str, ...]) -> NDArray[np.int8]:
    """Return the space's code for each of the file's codes, by name."""
    return np.array([space.operations.index(name) for name in operations], dtype=np.int8)


@dataclass(frozen=True)
class CodeReader:
    """Reader of one way of storing architectures.

    Attributes:
        columns: Columns that hold them.
        to_codes: Function from the file's path, those columns, the space and the operations that the file's codes stand
            for to codes ``[N, code_length]``. It raises `TableError` where a row is none of the space.
        texts: True if the columns are text, and come dictionary-encoded.
    """

    columns: tuple[str, ...]
    to_codes: Callable[[Path, Any, SearchSpace, tuple[str, ...]], NDArray[np.int8]]
    texts: bool = False


READERS: dict[str, CodeReader] = {
    "four states": CodeReader(_FOUR_STATE_COLUMNS, _four_state_codes),
    "upper triangle": CodeReader(_UPPER_TRIANGLE_COLUMNS, _upper_triangle_codes, texts=True),
    "widths": CodeReader(_WIDTH_COLUMNS, _width_codes),
    "texts": CodeReader(_TEXT_COLUMNS, _text_codes, texts=True),
}
"""Readers by what `OfficialTable.cells` says."""
