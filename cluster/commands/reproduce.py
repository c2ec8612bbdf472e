"""``mpnas reproduce``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["reproduce"]


def reproduce(
    study: Annotated[
        str,
        typer.Argument(
            metavar="STUDY",
            help="A table or figure of MP-NAS (table2 to table7, fig2, fig3), or the predictor study of White et al. "
            "(predictors).",
            show_default=False,
        ),
    ],
    tables: Annotated[
        Path | None,
        typer.Option(
            help="Folder of NAS tables. Without it, STUDY.md alone is written anew, from STUDY.json.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for STUDY.json, STUDY.md and STUDY.png.")] = Path(
        "benchmarks/results"
    ),
    work: Annotated[Path, typer.Option(help="Folder for meta-trainings, which studies share.")] = Path(
        "runs/reproduce"
    ),
    tasks: Annotated[
        list[str] | None,
        typer.Option("--task", help="Task of table7, which trains networks; repeatable.  [default: four small tasks]"),
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of data files, for table7.")] = None,
    gpus_per_trial: Annotated[float, typer.Option(min=0, help="GPUs for each training of table7.")] = 0.0,
    seeds: Annotated[int | None, typer.Option(min=2, help="Draws of predictors.  [default: 10]")] = None,
    slow_seeds: Annotated[
        int | None, typer.Option(min=1, help="Draws of predictors for methods that take long.  [default: 3]")
    ] = None,
) -> None:
    """Regenerate a published table or figure, on Ray. Interrupted, the same command goes on.

    Without --tables nothing is computed: the page is written anew from the results in --out.

    table7 searches and trains networks on tasks; the others need NAS tables alone.
    """
    from cluster.experiments.studies.registry import STUDIES, get_study
    from cluster.experiments.studies.study import reproduce, rewrite_page

    chosen = get_study(study)
    options = {
        "tasks": tasks,
        "data_dir": data_dir,
        "gpus_per_trial": gpus_per_trial,
        "seeds": seeds,
        "slow_seeds": slow_seeds,
    }
    given = {name: value for name, value in options.items() if value}
    for name in given:
        if name not in chosen.options:
            owners = [other.name for other in STUDIES.values() if name in other.options]
            raise typer.BadParameter(f"{_flag(name)} is of {', '.join(owners)}, not of {study}.")
    if tables is None:
        if given:
            raise typer.BadParameter(f"{_flag(next(iter(given)))} says what to compute, which needs --tables.")
        typer.echo(str(rewrite_page(chosen, out)))
        return
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    for path in reproduce(chosen, tables, out, work, typer.echo, **given):
        typer.echo(str(path))


def _flag(option: str) -> str:
    return "--task" if option == "tasks" else f"--{option.replace('_', '-')}"
