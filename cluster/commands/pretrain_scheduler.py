"""``mpnas pretrain-scheduler``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["pretrain_scheduler"]


def pretrain_scheduler(
    out: Annotated[Path, typer.Option(help="Network to write: OUT.safetensors and OUT.json.", show_default=False)],
    table: Annotated[
        Path | None, typer.Option(help="A table of mpnas tables build; by default the one that comes with the package.")
    ] = None,
    hold_out: Annotated[
        list[str] | None,
        typer.Option(metavar="TASK", help="Task whose data sets must not be learned from. Repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights and batches.")] = 0,
) -> None:
    """Pre-train the network of the scheduler lcranknet on the curves of a table, which takes some seconds."""
    from cluster.work.folders import check_folders
    from mpnas_ray.curves import pretrain_on_table
    from mpnas_ray.tables import BUNDLED_TABLE

    check_folders(out.parent)
    command = shlex.join(["mpnas", *sys.argv[1:]])
    made = pretrain_on_table(
        table or BUNDLED_TABLE, out, hold_out=hold_out or (), seed=seed, command=command, report=typer.echo
    )
    typer.echo(f"{out}.safetensors learned from {len(made.tasks)} tasks: {', '.join(made.tasks)}.")
