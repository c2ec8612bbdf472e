"""``mpnas compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["compare"]


def compare(
    tables: Annotated[Path, typer.Option(help="Folder of NAS tables.", show_default=False)],
    preset: Annotated[
        str,
        typer.Option(
            metavar="[regret|devices|design|confirmation|table5]",
            help="regret: 100 queries, fourteen tasks. devices: 22 latencies, with whole families of devices left out. "
            "design: the columns that things are chosen on. confirmation: the others, to be looked at once. table5: 30 "
            "queries, picked on validation, test reported.",
        ),
    ] = "regret",
    task: Annotated[
        list[str] | None,
        typer.Option(metavar="TASK", help="Only this column of the preset, or any task of the tables. Repeatable."),
    ] = None,
    searcher: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Only this one: mpnas, scratch, gp, gp-wl, gp-graf, bananas, gbt-thompson, tpe, optuna-gp, evolution, "
            "local-search, reinforce, random, mean-rank, nearest-task, quantile-transfer, rush; or "
            '"mpnas, far", which knows nothing of the CIFAR family, and so on. Repeatable.',
        ),
    ] = None,
    budget: Annotated[int | None, typer.Option(help="Queries of a run.  [default: the preset's]")] = None,
    seeds: Annotated[
        int, typer.Option(help="Runs of a searcher that takes under 10 s; ours with three meta-trainings in turn.")
    ] = 20,
    slow_seeds: Annotated[int, typer.Option(help="Runs of the others.")] = 5,
    checkpoints: Annotated[
        Path, typer.Option(help="Folder for meta-learned predictors, each without its target's data.")
    ] = Path("runs/compare/checkpoints"),
    work: Annotated[Path, typer.Option(help="Folder for runs, which presets share.")] = Path("runs/compare"),
    out: Annotated[Path, typer.Option(help="Folder for compare-PRESET.json, .md, .png and .html.")] = Path(
        "benchmarks/results"
    ),
) -> None:
    """Compare searchers on NAS tables, many seeds side by side on Ray. Interrupted, the same command goes on."""
    from cluster.experiments.comparison.compare import compare
    from cluster.experiments.comparison.config import ComparisonConfig
    from cluster.experiments.comparison.presets import get_preset

    config = ComparisonConfig(
        get_preset(preset),
        tables,
        out,
        work,
        checkpoints,
        tasks=tuple(task or ()),
        searchers=tuple(searcher or ()),
        budget=budget,
        seeds=seeds,
        slow_seeds=slow_seeds,
    )
    for path in compare(config):
        typer.echo(str(path))
