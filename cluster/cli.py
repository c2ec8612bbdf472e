"""The command ``mpnas``. Each subcommand is one Python call; Ray is only imported by those that need it."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from mpnas_ray.errors import MPNASError
from mpnas_ray.spaces import SPACE_NAMES, get_space
from mpnas_ray.spaces.mixed import Mixed

__all__ = ["main"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Neural architecture search on Ray clusters with a meta-learned graph predictor.",
)


class _Preset(str, Enum):
    small = "small"
    paper = "paper"


@app.command()
def search(
    task: Annotated[
        str, typer.Option(help="Task to search for: a name from `mpnas tasks`, or module:variable.")
    ] = "darcy",
    space: Annotated[str, typer.Option(help="Search space: a name from `mpnas spaces`.")] = "mixed",
    num_samples: Annotated[int, typer.Option(help="Number of architectures to train.")] = 20,
    epochs: Annotated[int | None, typer.Option(help="Epochs of each training.  [default: the task's]")] = None,
    preset: Annotated[
        _Preset, typer.Option(help="Sizes of the networks: paper is appendix A of MP-NAS.")
    ] = _Preset.small,
    searcher: Annotated[
        str,
        typer.Option(
            help="What proposes architectures: mpnas, scratch (mpnas without what it knows of other tasks), tpe, "
            "evolution, local-search, reinforce or random."
        ),
    ] = "mpnas",
    max_concurrent: Annotated[
        int | None, typer.Option(help="Most trials at a time.  [default: as many as the cluster has room for]")
    ] = None,
    cpus_per_trial: Annotated[float, typer.Option(help="CPU cores set aside for each trial.")] = 1.0,
    gpus_per_trial: Annotated[float, typer.Option(help="GPUs for each trial; 0.25 lets four trials share one.")] = 0.0,
    storage: Annotated[str, typer.Option(help="Folder or URI for runs; all nodes must reach it.")] = "runs",
    name: Annotated[
        str | None,
        typer.Option(help="Name of the run. One that exists is continued.  [default: task, space and time]"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the searcher and of the trainings.")] = 0,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of data files.  [default: the task's own place]")
    ] = None,
) -> None:
    """Search an architecture: trials train networks side by side, the predictor learns from their results.

    Runs on the Ray cluster at RAY_ADDRESS, or starts Ray on this machine. Ctrl-C saves the run; the same command with
    the same --name continues it.
    """
    from cluster.search import run_search

    logging.getLogger("ray.tune").setLevel(logging.ERROR)  # progress and report say it all
    report = run_search(
        task,
        space,
        num_samples,
        epochs=epochs,
        preset=preset.value,
        searcher=searcher,
        max_concurrent=max_concurrent,
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        storage=storage,
        name=name,
        seed=seed,
        data_dir=data_dir,
    )
    typer.echo(str(report))


@app.command()
def tasks() -> None:
    """List the tasks that networks can be searched for."""
    from trainables import get_task, task_names

    table = Table("task", "what", "metric", "default training", "source", box=None, pad_edge=False)
    for name in task_names():
        task = get_task(name)
        recipe = f"{task.recipe.epochs} epochs, batch {task.recipe.batch_size}"
        table.add_row(name, task.description, f"{task.metric.name} ({task.metric.mode})", recipe, task.source)
    _show(table)


@app.command()
def spaces() -> None:
    """List the search spaces and their sizes."""
    table = Table("space", "architectures", "distinct networks", "operations", box=None, pad_edge=False)
    for name in SPACE_NAMES:
        space = get_space(name)
        distinct = f"{len(space.distinct()):,}" if space.enumerable else "not counted"
        table.add_row(name, f"{space.num_architectures:,}", distinct, ", ".join(space.operations))
    _show(table)
    typer.echo(f"\nHow the size of mixed comes about:\n{Mixed().derivation()}")


class _Algorithm(str, Enum):
    mixture = "mixture"
    boil = "boil"
    maml = "maml"
    anil = "anil"
    pretrain = "pretrain"


@app.command("meta-train")
def meta_train(
    tables: Annotated[Path, typer.Option(help="Folder of NAS tables.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Checkpoint to write: OUT.safetensors and OUT.json.", show_default=False)],
    algorithm: Annotated[
        _Algorithm,
        typer.Option(
            help="mixture adapts in closed form; boil, maml and anil by gradient; pretrain has no inner loop."
        ),
    ] = _Algorithm.mixture,
    hold_out: Annotated[
        list[str] | None,
        typer.Option(metavar="TASK", help="Learn nothing of this task's data sets and devices. May be repeated."),
    ] = None,
    iterations: Annotated[
        int | None, typer.Option(help="Training steps.  [default: 1200 for mixture, else 1500]")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights and episodes.")] = 0,
    licensed_only: Annotated[
        bool, typer.Option("--licensed-only", help="Leave out tasks whose source states no licence.")
    ] = False,
    device: Annotated[str, typer.Option(help="Where to compute, e.g. cuda.")] = "cpu",
) -> None:
    """Meta-learn a predictor from NAS tables. Interrupted, the same command goes on where it was."""
    from cluster.meta_training import run_meta_training
    from mpnas_ray.meta import MetaConfig
    from mpnas_ray.mixture import MixtureConfig

    config: MetaConfig | MixtureConfig = MixtureConfig(seed=seed)
    if algorithm is not _Algorithm.mixture:
        config = MetaConfig(algorithm=algorithm.value, seed=seed)
    if iterations is not None:
        config = replace(config, iterations=iterations)
    card = run_meta_training(
        tables, out, config, hold_out=hold_out or (), licensed_only=licensed_only, device=device, report=typer.echo
    )
    typer.echo(f"{out}.safetensors learned from {len(card.tasks)} tasks: {', '.join(card.tasks)}.")


class _Study(str, Enum):
    table2 = "table2"
    table3 = "table3"
    table4 = "table4"
    table5 = "table5"
    table6 = "table6"
    fig2 = "fig2"
    fig3 = "fig3"


@app.command()
def reproduce(
    study: Annotated[_Study, typer.Argument(help="A table or figure of MP-NAS.", show_default=False)],
    tables: Annotated[Path, typer.Option(help="Folder of NAS tables.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for STUDY.json, STUDY.md and STUDY.png.")] = Path(
        "benchmarks/results"
    ),
    work: Annotated[Path, typer.Option(help="Folder for meta-trainings, which studies share.")] = Path(
        "runs/reproduce"
    ),
) -> None:
    """Regenerate a published table or figure from NAS tables, on Ray. Interrupted, the same command goes on."""
    from cluster.studies.registry import STUDIES
    from cluster.studies.study import reproduce

    for path in reproduce(STUDIES[study.value], tables, out, work):
        typer.echo(str(path))


tables_app = typer.Typer(
    no_args_is_help=True, help="NAS tables: measured architectures, read from a folder of Parquet files."
)
app.add_typer(tables_app, name="tables")

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
    _show(table)


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


def _show(table: Table) -> None:
    """A table as wide as the screen, or in a file or pipe as wide as its content."""
    table.columns[0].no_wrap = True
    console = Console()
    (console if console.is_terminal else Console(width=400)).print(table)


def main() -> None:
    """Entry point: an error that a user can mend is one line on standard error and an exit status other than 0."""
    try:
        app()
    except MPNASError as error:
        from cluster.search import RunInterruptedError

        typer.echo(f"mpnas: {error}", err=True)
        sys.exit(130 if isinstance(error, RunInterruptedError) else 1)


if __name__ == "__main__":
    main()
