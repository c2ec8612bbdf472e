"""Read and write our own table files, one task a file.

A Parquet file with two columns, one row an architecture,

    arch    string   the architecture's text, e.g. ``nasbench201:|nor_conv_3x3~0|+|...``; each once, all of one space
    value   double   the measured value, as measured; finite

and with the rest of a `TableTask` in the file's key-value metadata, under ``mpnas_table``, as one JSON object:
``version`` (1), ``name``, ``space``, ``metric``, ``mode``, ``unit``, ``datasets``, ``devices``, ``columns``,
``source`` and ``licence``.

Architectures are stored as text, which is the whole truth about them, not as codes, whose layout is ours to change. The
price is that reading parses them one by one, some ten thousand a second.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mpnas_ray.errors import SearchSpaceError, TableError
from mpnas_ray.files.atomic import atomic_path
from mpnas_ray.spaces import Architectures, get_space
from mpnas_ray.tables.formats.parquet import floats, has_card, read_card, read_columns
from mpnas_ray.tables.table_task import TableTask

__all__ = ["is_own", "read_task", "task_card", "write_task"]

_KEY = b"mpnas_table"
_VERSION = 1
_TEXTS = ("name", "space", "metric", "mode", "unit", "source")
_LISTS = ("datasets", "devices", "columns")


def write_task(task: TableTask, path: str | Path) -> None:
    """Write a task as a file that `load_tasks` reads when it lies in the folder; an existing one is replaced.

    Raises:
        TableError: If the name of the file does not end in ``.parquet``.
    """
    path = Path(path)
    if path.suffix != ".parquet":
        raise TableError(f"{path} would not be found again: table files end in .parquet.")
    card = {"version": _VERSION, "space": task.archs.space.name, "licence": task.licence}
    card |= {key: getattr(task, key) for key in (*_TEXTS, *_LISTS) if key != "space"}
    table = pa.table(
        {"arch": pa.array([str(arch) for arch in task.archs], pa.string()), "value": pa.array(task.raw, pa.float64())}
    ).replace_schema_metadata({_KEY: json.dumps(card).encode()})
    with atomic_path(path) as part:
        pq.write_table(table, part, compression="zstd", write_page_checksum=True)


def read_task(path: str | Path) -> TableTask:
    """Read a file of `write_task`.

    Raises:
        TableError: If the file is damaged or not of this schema.
    """
    path = Path(path)
    card = task_card(path)
    table = read_columns(path, ["arch", "value"], dictionaries=["arch"])
    texts = table.column("arch").to_pylist()
    try:
        archs = Architectures.of(texts, get_space(card["space"]))
    except SearchSpaceError as error:
        raise TableError(f"{path}: {error}") from error
    if len(np.unique(archs.codes, axis=0)) < len(archs):
        raise TableError(f"{path}: an architecture comes more than once.")
    raw = floats(path, table, "value")
    if not np.isfinite(raw).all():
        raise TableError(f"{path}: row {np.flatnonzero(~np.isfinite(raw))[0]} has no finite value.")
    fields = {key: card[key] for key in _TEXTS if key != "space"} | {key: tuple(card[key]) for key in _LISTS}
    return TableTask(archs=archs, raw=raw, licence=card["licence"], **fields)


def is_own(path: Path) -> bool:
    """Tell whether a file says that it is of our schema."""
    return has_card(path, _KEY)


def task_card(path: Path) -> dict[str, Any]:
    """Read and check the file's metadata; its rows are not read."""
    card = read_card(path, _KEY, _VERSION, "table")
    wrong = [key for key in _TEXTS if not isinstance(card.get(key), str)]
    wrong += [key for key in _LISTS if not _is_list_of_texts(card.get(key))]
    if not isinstance(card.get("licence", 0), str | None):
        wrong.append("licence")
    if card.get("mode") not in ("min", "max"):
        wrong.append("mode")
    if wrong:
        raise TableError(
            f"{path}: its metadata {_KEY.decode()!r} lacks {', '.join(dict.fromkeys(wrong))}, or has it wrong."
        )
    return card


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
