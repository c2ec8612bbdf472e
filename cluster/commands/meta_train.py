"""``mpnas meta-train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["meta_train"]


def meta_train(
    tables: Annotated[Path, typer.Option(help="Folder of NAS tables.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Checkpoint to write: OUT.safetensors and OUT.json.", show_default=False)],
    algorithm: Annotated[
        str,
        typer.Option(
            metavar="[mixture|boil|maml|anil|pretrain|cost]",
            help="mixture adapts in closed form; boil, maml and anil by gradient; pretrain has no inner loop; cost "
            "learns latencies and other costs alone.",
        ),
    ] = "mixture",
    hold_out: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TASK",
            help="Learn nothing of this task's data sets and devices, or of this device or family of devices, such as "
            "xeon. May be repeated.",
        ),
    ] = None,
    iterations: Annotated[
        int | None, typer.Option(help="Training steps.  [default: 1200 for mixture, else 1500]")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights and episodes.")] = 0,
    licensed_only: Annotated[
        bool, typer.Option("--licensed-only", help="Leave out tasks whose source states no licence.")
    ] = False,
    remember: Annotated[
        str,
        typer.Option(
            metavar="[all|licensed|none]",
            help="Whose measurements a mixture carries with it, cell by cell: of all tasks, of those whose source "
            "states a licence, or of none.",
        ),
    ] = "all",
    device: Annotated[str, typer.Option(help="Where to compute, e.g. cuda.")] = "cpu",
) -> None:
    """Meta-learn a predictor from NAS tables. Interrupted, the same command goes on where it was."""
    from cluster.artifacts.meta_training import config_of, run_meta_training

    config = config_of(algorithm, seed, iterations)
    card = run_meta_training(
        tables,
        out,
        config,
        hold_out=hold_out or (),
        licensed_only=licensed_only,
        remember=remember,  # type: ignore[arg-type]  # checked there
        device=device,
        report=typer.echo,
    )
    typer.echo(f"{out}.safetensors learned from {len(card.tasks)} tasks: {', '.join(card.tasks)}.")
    if card.remembered:
        typer.echo(f"It remembers what was measured of {', '.join(card.remembered)}.")
