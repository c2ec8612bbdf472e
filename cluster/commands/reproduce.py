"""``mpnas reproduce``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from mpnas_ray.errors import RunError
from mpnas_ray.names import no_such

__all__ = ["STUDY_NAMES", "reproduce"]

STUDY_NAMES = ("table2", "table3", "table4", "table5", "table6", "table7", "fig2", "fig3", "predictors")


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
            help="Folder of NAS tables. Without it, STUDY.md alone is written anew, from STUDY.json (not: predictors).",
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
        typer.Option("--task", help="Of table7, which trains networks; repeatable.  [default: four small tasks]"),
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Of table7: folder of data files.")] = None,
    gpus_per_trial: Annotated[float, typer.Option(min=0, help="Of table7: GPUs for each training.")] = 0.0,
    seeds: Annotated[int | None, typer.Option(min=2, help="Of predictors: draws.  [default: 10]")] = None,
    slow_seeds: Annotated[
        int | None, typer.Option(min=1, help="Of predictors: draws for methods that take long.  [default: 3]")
    ] = None,
) -> None:
    """Regenerate a published table or figure, on Ray. Interrupted, the same command goes on.

    Without --tables nothing is computed: the page is written anew from the results in --out.

    table7 searches and trains networks on tasks; the others need NAS tables alone.
    """
    if study not in STUDY_NAMES:
        raise RunError(no_such("study", study, STUDY_NAMES))
    if (seeds or slow_seeds) and study != "predictors":
        raise typer.BadParameter("--seeds and --slow-seeds are of the study predictors.")
    if tables is None:
        if tasks or data_dir or gpus_per_trial or seeds or slow_seeds:
            raise typer.BadParameter("Other options say what to compute, which needs --tables.")
        typer.echo(str(_page_alone(study, out)))
        return
    if study == "table7":
        from cluster.experiments.studies.table7.methods import DEFAULT_TASKS
        from cluster.experiments.studies.table7.reproduce import reproduce_table7

        logging.getLogger("ray.tune").setLevel(logging.ERROR)
        chosen = tasks or list(DEFAULT_TASKS)
        for path in reproduce_table7(
            tables, out, work, tasks=chosen, data_dir=data_dir, gpus_per_trial=gpus_per_trial, report=typer.echo
        ):
            typer.echo(str(path))
        return
    if tasks or data_dir or gpus_per_trial:
        raise typer.BadParameter(f"{study} is made from tables alone: other options are of table7.")
    if study == "predictors":
        from cluster.experiments.studies.predictors.reproduce import reproduce_predictors

        written = reproduce_predictors(
            tables, out, work, seeds=seeds or 10, slow_seeds=slow_seeds or 3, report=typer.echo
        )
        for path in written:
            typer.echo(str(path))
        return
    from cluster.experiments.studies.registry import STUDIES
    from cluster.experiments.studies.study import reproduce

    for path in reproduce(STUDIES[study], tables, out, work):
        typer.echo(str(path))


def _page_alone(study: str, out: Path) -> Path:
    if study == "predictors":
        raise typer.BadParameter("predictors needs --tables: its page shows more than its JSON file holds.")
    if study == "table7":
        from cluster.experiments.studies.table7.page import rewrite_page as rewrite_page_of_table7

        return rewrite_page_of_table7(out)
    from cluster.experiments.studies.registry import STUDIES
    from cluster.experiments.studies.study import rewrite_page

    return rewrite_page(STUDIES[study], out)
