"""What a folder holds, and whether it is sound: for `mpnas tables list` and `mpnas tables check`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mpnas_ray.errors import TableError
from mpnas_ray.tables.importing import check_texts
from mpnas_ray.tables.loading import load_file, load_tasks, table_files
from mpnas_ray.tables.official import OFFICIAL, UNUSED
from mpnas_ray.tables.parquet import opened
from mpnas_ray.tables.table_task import Mode, TableTask

__all__ = ["FileCheck", "TaskSummary", "check_tables", "list_tasks"]


@dataclass(frozen=True)
class TaskSummary:
    """One line about a task.

    Attributes:
        name: See `TableTask`, as for all fields not named here.
        num_archs: Number of architectures.
        low: Smallest raw value, in ``unit``.
        high: Largest one.
    """

    name: str
    space: str
    num_archs: int
    metric: str
    mode: Mode
    unit: str
    low: float
    high: float
    datasets: tuple[str, ...]
    devices: tuple[str, ...]
    columns: tuple[str, ...]
    source: str
    licence: str | None

    @classmethod
    def of(cls, task: TableTask) -> TaskSummary:
        """Summarise a task."""
        return cls(
            name=task.name,
            space=task.archs.space.name,
            num_archs=len(task),
            metric=task.metric,
            mode=task.mode,
            unit=task.unit,
            low=float(task.raw.min()),
            high=float(task.raw.max()),
            datasets=task.datasets,
            devices=task.devices,
            columns=task.columns,
            source=task.source,
            licence=task.licence,
        )


@dataclass(frozen=True)
class FileCheck:
    """What `check_tables` found in one file.

    Attributes:
        path: The file.
        num_rows: Its rows; None if it cannot be read.
        tasks: The tasks in it, variants too.
        problem: What is wrong and what to do; None if nothing is.
        note: Why a sound file has no task for us; None otherwise.
    """

    path: Path
    num_rows: int | None
    tasks: tuple[TaskSummary, ...] = ()
    problem: str | None = None
    note: str | None = None


def list_tasks(folder: str | Path, *, variants: bool = False) -> list[TaskSummary]:
    """One line about each task of a folder; raises as `load_tasks`."""
    return [TaskSummary.of(task) for task in load_tasks(folder, variants=variants).values()]


def check_tables(folder: str | Path) -> list[FileCheck]:
    """Read every file of a folder whole: every column, every cell, every official string. One result a file.

    Raises:
        TableError: If there is no such folder, or no table in it. What is wrong with a file is in its `FileCheck`.
    """
    checks: list[FileCheck] = []
    holders: dict[str, Path] = {}
    for path in table_files(folder):
        check = _check_file(path)
        twice = next((task.name for task in check.tasks if task.name in holders), None)
        if twice is not None:
            problem = f"{holders[twice]} and {path} both hold a task {twice}: take one away."
            check = FileCheck(path, check.num_rows, problem=problem)
        holders |= {task.name: path for task in check.tasks}
        checks.append(check)
    return checks


def _check_file(path: Path) -> FileCheck:
    num_rows = None
    try:
        with opened(path) as file:
            for _ in file.iter_batches(use_threads=False):  # also the columns that no task reads
                pass
            num_rows = file.metadata.num_rows
        tasks = load_file(path, variants=True)
        if path.name in OFFICIAL:
            check_texts(path, OFFICIAL[path.name])
    except TableError as error:
        return FileCheck(path, num_rows, problem=str(error))
    summaries = tuple(TaskSummary.of(task) for task in tasks)
    note = f"not used: {UNUSED[path.name]}" if path.name in UNUSED else None
    return FileCheck(path, num_rows, summaries, note=note)
