"""``mpnas baseline``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["baseline"]


def baseline(
    model: Annotated[
        str,
        typer.Option(
            help="Network: wrn-16-4, wrn-16-1, resnet-1d, fno-2d, emg-attention, resnext-1d, dash-search, or "
            "dash-wrn-16-4:, dash-wrn-16-1: and dash-resnet-1d: with what dash-search chose; or an architecture "
            "that a search found."
        ),
    ],
    task: Annotated[
        str, typer.Option(help="Task to train for: a name from `mpnas tasks`, or module:variable.")
    ] = "darcy",
    preset: Annotated[
        str, typer.Option(help="Sizes of the network of an architecture: paper (appendix A of MP-NAS) or small.")
    ] = "paper",
    epochs: Annotated[int | None, typer.Option(help="Epochs of the training.  [default: the task's]")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples a step.  [default: the task's]")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of the task's schedule.  [default: the task's]")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Of the task's optimiser.  [default: the task's]")] = None,
    cpus_per_trial: Annotated[float, typer.Option(help="CPU cores to set aside.")] = 1.0,
    gpus_per_trial: Annotated[float, typer.Option(help="GPUs to set aside.")] = 0.0,
    storage: Annotated[str, typer.Option(help="Folder or URI for runs; all nodes must reach it.")] = "runs",
    name: Annotated[
        str | None,
        typer.Option(help="Name of the run. One that exists is continued.  [default: task, model and time]"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, batches and dropout.")] = 0,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of data files.  [default: the task's own place]")
    ] = None,
) -> None:
    """Train one network on a task, a known one or one that a search found: same data, recipe and scores.

    Runs on the Ray cluster at RAY_ADDRESS, or starts Ray on this machine. The same command with the same --name goes on
    from the last checkpoint.
    """
    from cluster.artifacts.single_network import run_baseline

    logging.getLogger("ray.tune").setLevel(logging.ERROR)  # progress and report say it all
    report = run_baseline(
        task,
        model,
        preset=preset,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        storage=storage,
        name=name,
        seed=seed,
        data_dir=data_dir,
    )
    typer.echo(str(report))
