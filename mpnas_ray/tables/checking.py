"""Check whether the files of a folder are sound, for `mpnas tables check`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mpnas_ray.errors import TableError
from mpnas_ray.tables.formats.importing import check_texts
from mpnas_ray.tables.formats.official import OFFICIAL
from mpnas_ray.tables.formats.parquet import opened
from mpnas_ray.tables.loading import load_file, table_files

__all__ = ["FileCheck", "check_tables"]


@dataclass(frozen=True)
class FileCheck:
    """The finding of `check_tables` in one file.

    Attributes:
        path: The file.
        num_rows: Number of rows; None if the file cannot be read.
        tasks: Names of the tasks in it, variants too.
        problem: Description of what is wrong and what to do; None if nothing is.
    """

    path: Path
    num_rows: int | None
    tasks: tuple[str, ...] = ()
    problem: str | None = None


def check_tables(folder: str | Path) -> list[FileCheck]:
    """Read every file of a folder whole: every column, every cell, every official string. One result a file.

    Raises:
        TableError: If there is no such folder, or no table in it. What is wrong with a file is in its `FileCheck`.
    """
    checks: list[FileCheck] = []
    holders: dict[str, Path] = {}
    for path in table_files(folder):
        check = _check_file(path)
        twice = next((task for task in check.tasks if task in holders), None)
        if twice is not None:
            problem = f"{holders[twice]} and {path} both hold a task {twice}: take one away."
            check = FileCheck(path, check.num_rows, problem=problem)
        holders |= dict.fromkeys(check.tasks, path)
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
    return FileCheck(path, num_rows, tuple(task.name for task in tasks))
