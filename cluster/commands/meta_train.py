"""``mpnas meta-train``."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["meta_train"]


class _Algorithm(str, Enum):
    mixture = "mixture"
    boil = "boil"
    maml = "maml"
    anil = "anil"
    pretrain = "pretrain"
    cost = "cost"


def meta_train(
    tables: Annotated[Path, typer.Option(help="Folder of NAS tables.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Checkpoint to write: OUT.safetensors and OUT.json.", show_default=False)],
    algorithm: Annotated[
        _Algorithm,
        typer.Option(
            help="mixture adapts in closed form; boil, maml and anil by gradient; pretrain has no inner loop; cost "
            "learns latencies and other costs alone."
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
    from mpnas_ray.predictors.cost import CostConfig

    config: MetaConfig | MixtureConfig | CostConfig = MixtureConfig(seed=seed)
    if algorithm is _Algorithm.cost:
        if iterations is not None:
            raise typer.BadParameter(
                "A cost predictor is learned in closed form, without steps.", param_hint="--iterations"
            )
        config = CostConfig()
    elif algorithm is not _Algorithm.mixture:
        config = MetaConfig(algorithm=algorithm.value, seed=seed)
    if iterations is not None and not isinstance(config, CostConfig):
        config = replace(config, iterations=iterations)
    card = run_meta_training(
        tables, out, config, hold_out=hold_out or (), licensed_only=licensed_only, device=device, report=typer.echo
    )
    typer.echo(f"{out}.safetensors learned from {len(card.tasks)} tasks: {', '.join(card.tasks)}.")
