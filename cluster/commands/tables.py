"""``mpnas tables``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cluster.artifacts.config import TableConfig
from cluster.commands.names import DATA_NAMES, SIZES, TASKS
from cluster.commands.options import Command, takes_options
from cluster.commands.printing import begin, print_table, say
from cluster.run.config import DATA_GROUP
from mpnas_ray.spaces import SPACE_NAMES

__all__ = ["tables_app"]

tables_app = typer.Typer(
    no_args_is_help=True, help="NAS tables: measured architectures, read from a folder of Parquet files."
)
_Folder = Annotated[Path, typer.Argument(help="Folder of the *.parquet files.", show_default=False)]


@tables_app.command("list")
def list_tables(
    folder: _Folder,
    variants: Annotated[
        bool, typer.Option("--variants", help="List other budgets, splits, devices and macro spaces, too.")
    ] = False,
) -> None:
    """List the tasks that a folder of tables holds."""
    from mpnas_ray.tables import load_tasks

    table = Table("task", "architectures", "metric", "from", "to", "licence", box=None, pad_edge=False)
    for task in load_tasks(folder, variants=variants).values():
        metric = f"{task.metric} ({task.mode})"
        low, high = (f"{value:.5g} {task.unit}".rstrip() for value in (task.raw.min(), task.raw.max()))
        table.add_row(task.name, f"{len(task):,}", metric, low, high, task.licence or "none stated")
    print_table(table)


@tables_app.command("check")
def check_tables(folder: _Folder) -> None:
    """Read every file of a folder whole, and say whether it is sound; the exit status is 1 if one is not."""
    from mpnas_ray.tables import check_tables

    checks = check_tables(folder)
    for check in checks:
        rows = "not readable" if check.num_rows is None else f"{check.num_rows:,} rows"
        typer.echo(f"{check.path.name}: {rows}, {check.problem or f'{len(check.tasks)} tasks, sound'}")
    if any(check.problem for check in checks):
        raise typer.Exit(1)


@tables_app.command("build", cls=Command)
@takes_options(
    TableConfig, groups=DATA_GROUP, names={**DATA_NAMES, "tasks": TASKS, "space": SPACE_NAMES, "preset": SIZES}
)
def build(config: TableConfig) -> None:
    """Train architectures on tasks side by side on Ray, and make a table of all their epochs.

    If it is stopped or killed, run the same command again: it goes on where it was. A command with more tasks or
    architectures adds to the table.
    """
    begin(f"Building {config.out} of trainings on {', '.join(config.tasks)}.")
    from cluster.artifacts.table_building import build_table

    say(build_table(config))
