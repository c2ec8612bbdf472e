"""List tasks and search spaces: ``mpnas tasks`` and ``mpnas spaces``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cluster.commands.printing import print_table
from mpnas_ray.spaces import SPACE_NAMES, get_space
from mpnas_ray.spaces.mixed import Mixed
from trainables.data_options import SCHEMES

__all__ = ["spaces", "tasks"]


def tasks(
    check: Annotated[
        bool, typer.Option("--check", help="List the files of each task, and say which of them are there.")
    ] = False,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of your data files; by default mpnas-ray in your cache folder.")
    ] = None,
) -> None:
    """List the tasks that networks can be searched for, or with --check the files that they need."""
    from trainables import get_task, task_names

    if check:
        _print_files(data_dir)
        return
    table = Table("task", "description", "metric", "default training", "source", box=None, pad_edge=False)
    for name in task_names():
        task = get_task(name)
        recipe = f"{task.recipe.epochs} epochs, batch {task.recipe.batch_size}"
        table.add_row(name, task.description, f"{task.metric.name} ({task.metric.mode})", recipe, task.source)
    print_table(table)
    typer.echo(f"\nData of yours are tasks, too: {'; '.join(SCHEMES.values())}.")


def _print_files(data_dir: Path | None) -> None:
    from trainables import get_task, task_names
    from trainables.tasks.core.cache import data_folder

    table = Table("task", "file", "state", "size", "licence", "source", box=None, pad_edge=False)
    for name in task_names():
        task = get_task(name)
        for file in task.files:
            table.add_row(name, file.name, file.state(data_dir), f"{file.megabytes:g} MB", file.licence, file.source)
        if not task.files:
            table.add_row(name, "none needed", "ready", "", "", task.source)
    typer.echo(f"Your data files are looked for in {data_folder(data_dir)}.\n")
    print_table(table)


def spaces() -> None:
    """List the search spaces and their sizes."""
    table = Table("space", "architectures", "distinct networks", "operations", box=None, pad_edge=False)
    for name in SPACE_NAMES:
        space = get_space(name)
        distinct = f"{len(space.distinct()):,}" if space.enumerable else "not counted"
        table.add_row(name, f"{space.num_architectures:,}", distinct, ", ".join(space.operations))
    print_table(table)
    typer.echo(f"\nDerivation of the size of mixed:\n{Mixed().derivation()}")
