"""``mpnas tables``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cluster.commands.printing import print_table

__all__ = ["tables_app"]

tables_app = typer.Typer(
    no_args_is_help=True, help="NAS tables: measured architectures, read from a folder of Parquet files."
)
_Folder = Annotated[Path, typer.Argument(help="Folder of the *.parquet files.", show_default=False)]


@tables_app.command("list")
def list_tables(
    folder: _Folder,
    variants: Annotated[bool, typer.Option("--variants", help="Also other budgets, splits and devices.")] = False,
) -> None:
    """List the tasks of a folder of tables."""
    from mpnas_ray.tables import load_tasks

    table = Table("task", "architectures", "metric", "from", "to", "licence", box=None, pad_edge=False)
    for task in load_tasks(folder, variants=variants).values():
        metric = f"{task.metric} ({task.mode})"
        low, high = (f"{value:.5g} {task.unit}".rstrip() for value in (task.raw.min(), task.raw.max()))
        table.add_row(task.name, f"{len(task):,}", metric, low, high, task.licence or "none stated")
    print_table(table)


@tables_app.command("check")
def check_tables(folder: _Folder) -> None:
    """Read every file of a folder whole, and say what is wrong with it; exit status 1 if anything is."""
    from mpnas_ray.tables import check_tables

    checks = check_tables(folder)
    for check in checks:
        rows = "not readable" if check.num_rows is None else f"{check.num_rows:,} rows"
        typer.echo(f"{check.path.name}: {rows}, {check.problem or check.note or f'{len(check.tasks)} tasks, sound'}")
    if any(check.problem for check in checks):
        raise typer.Exit(1)


@tables_app.command("build")
def build(
    out: Annotated[Path, typer.Option(help="The table, a .parquet file; one that is there grows.", show_default=False)],
    tasks: Annotated[list[str], typer.Option("--task", help="Repeatable; see mpnas tasks.", show_default=False)],
    space: Annotated[str, typer.Option(help="Search space.")] = "mixed",
    num_archs: Annotated[int, typer.Option(min=1, help="Architectures, spread over topologies and operations.")] = 300,
    num_repeated: Annotated[int, typer.Option(min=0, help="How many of them are trained with a second seed.")] = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of each training; else each task's own.")] = None,
    num_train: Annotated[int, typer.Option(min=2, help="Most training samples of a task.")] = 500,
    preset: Annotated[str, typer.Option(help="Sizes of the networks, small or paper.")] = "small",
    seed: Annotated[int, typer.Option(help="Of the choice of architectures.")] = 0,
    gpus_per_training: Annotated[float, typer.Option(min=0, help="A fraction lets trainings share one.")] = 0.0,
    work: Annotated[Path | None, typer.Option(help="Folder of the single trainings. [default: <out>.work]")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where your data files are.")] = None,
) -> None:
    """Train architectures on tasks side by side on Ray, and make a table of all their epochs.

    Stopped or killed, the same command goes on; a larger one adds to the file.
    """
    from cluster.artifacts.table_building import build_table

    report = build_table(
        out,
        tasks,
        space=space,
        num_archs=num_archs,
        num_repeated=num_repeated,
        epochs=epochs,
        num_train=num_train,
        preset=preset,
        seed=seed,
        gpus_per_training=gpus_per_training,
        work=work,
        data_dir=data_dir,
    )
    typer.echo(str(report))
