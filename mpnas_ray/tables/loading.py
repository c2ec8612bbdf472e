"""Read a folder of table files as named tasks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from mpnas_ray.errors import TableError
from mpnas_ray.names import did_you_mean
from mpnas_ray.tables.curves import LearningCurves, holds_curves, read_curves
from mpnas_ray.tables.formats.importing import import_tasks
from mpnas_ray.tables.formats.official import OFFICIAL, OfficialColumn
from mpnas_ray.tables.schema import is_own, read_task, task_card
from mpnas_ray.tables.table_task import TableTask

__all__ = ["BUNDLED_TABLE", "load_file", "load_tasks", "table_files"]


BUNDLED_TABLE = Path(__file__).with_name("mini.parquet")
"""The table that comes with the package: cells of the mixed space on small tasks, trained by us."""


def load_tasks(
    folder: str | Path, names: Collection[str] | None = None, *, variants: bool = False
) -> dict[str, TableTask]:
    """Read the tasks of a folder, or of one file.

    Official files are known by their names (`mpnas_ray.tables.formats.official`), our own by their metadata
    (`mpnas_ray.tables.schema`). A folder need not hold all of them.

    Args:
        folder: Folder that holds the ``*.parquet`` files, not searched deeper, or one such file.
        names: Read only these tasks, and only the columns they need; variants may be among them.
        variants: Read also other budgets and splits, named ``<task>@<variant>``, other devices, and the tasks of
            natsbench-size and transnasbench101-macro; only without ``names``.

    Returns:
        Name -> task, official ones first.

    Raises:
        TableError: If there is no such folder, no table or no task of a name in it, or if a file is damaged or not what
            its name says.
    """
    tasks: dict[str, TableTask] = {}
    files: dict[str, Path] = {}
    for path in table_files(folder):
        for task in load_file(path, names, variants=variants):
            if task.name in tasks:
                raise TableError(f"{files[task.name]} and {path} both hold a task {task.name}: take one away.")
            tasks[task.name], files[task.name] = task, path
    missing = [name for name in names or () if name not in tasks]
    if missing:
        raise TableError(f"{folder} has no task {missing[0]!r}. {_where(missing[0], _names_in(folder))}")
    if not tasks:
        raise TableError(
            f"{folder} has no task for us (without variants), only: {', '.join(p.name for p in table_files(folder))}."
        )
    return tasks


def load_file(path: Path, names: Collection[str] | None = None, *, variants: bool = False) -> list[TableTask]:
    """Read the tasks of one file, see `load_tasks`; none if it holds variants alone and they are not asked for."""
    if path.name in OFFICIAL:
        space = OFFICIAL[path.name].space

        def wanted(column: OfficialColumn) -> bool:
            if names is not None:
                return f"{space}/{column.task}" in names
            return variants or not column.variant

        columns = [column for column in OFFICIAL[path.name].columns if wanted(column)]
        return import_tasks(path, columns) if columns else []
    if holds_curves(path):
        return _trained(read_curves(path), names, variants)
    if not is_own(path):
        raise TableError(
            f"{path} is neither an official table ({', '.join(OFFICIAL)}) nor one of ours. "
            f"Take it away, or give it its official name."
        )
    return [read_task(path)] if names is None or task_card(path)["name"] in names else []


def _trained(curves: Mapping[str, LearningCurves], names: Collection[str] | None, variants: bool) -> list[TableTask]:
    """Make tasks of the validation scores after the last epoch; the test part is a variant."""
    tasks = [one.table_task(part) for one in curves.values() for part in ("validation", "test")]
    return [task for task in tasks if (task.name in names if names is not None else variants or "@" not in task.name)]


def table_files(folder: str | Path) -> list[Path]:
    """List the Parquet files of a folder: official ones in their own order, then the others by name; of a file, itself.

    Raises:
        TableError: If there is no such folder or file, or no table in the folder.
    """
    folder = Path(folder)
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise TableError(f"{folder} is not there: NAS tables are read from a folder of Parquet files, or from one.")
    order = list(OFFICIAL)
    found = sorted(
        folder.glob("*.parquet"),
        key=lambda path: (order.index(path.name) if path.name in order else len(order), path.name),
    )
    if not found:
        raise TableError(f"{folder} has no NAS table: no *.parquet file, such as {', '.join(OFFICIAL)}.")
    return found


def _names_in(folder: str | Path) -> list[str]:
    """List the names of the tasks of our own files in a folder, for a suggestion."""
    names: list[str] = []
    for path in table_files(folder):
        if holds_curves(path):
            names += [task.name for task in _trained(read_curves(path), None, variants=True)]
        elif path.name not in OFFICIAL and is_own(path):
            names.append(task_card(path)["name"])
    return names


def _where(name: str, others: Collection[str]) -> str:
    """Say from which file an official task would come, or which official tasks there are."""
    known = {f"{table.space}/{column.task}": table.file for table in OFFICIAL.values() for column in table.columns}
    if name in known:
        return f"It comes from {known[name]}, which is not there."
    return f"Official tables have: {', '.join(known)}.{did_you_mean(name, [*known, *others])}"
