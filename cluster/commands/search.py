"""``mpnas search``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from mpnas_ray.errors import RunError

__all__ = ["amounts", "search"]


def search(
    task: Annotated[
        str, typer.Option(help="Task to search for: a name from `mpnas tasks`, or module:variable.")
    ] = "darcy",
    space: Annotated[str, typer.Option(help="Search space: a name from `mpnas spaces`.")] = "mixed",
    num_samples: Annotated[int, typer.Option(help="Number of architectures to train.")] = 20,
    epochs: Annotated[int | None, typer.Option(help="Epochs of each training.  [default: the task's]")] = None,
    preset: Annotated[
        str, typer.Option(metavar="[small|paper]", help="Sizes of the networks: paper is appendix A of MP-NAS.")
    ] = "small",
    searcher: Annotated[
        str,
        typer.Option(
            help="What proposes architectures: mpnas, scratch (mpnas without what it knows of other tasks), gp, "
            "bananas, gbt-thompson, tpe, optuna-gp, evolution, local-search, reinforce, random, naswot (the best of "
            "1,000 by a proxy), area (evolution that begins with the better half by a proxy) or predictor (one of "
            "another family)."
        ),
    ] = "mpnas",
    predictor: Annotated[
        str,
        typer.Option(
            help="Of the searcher mpnas: default, or a checkpoint that `mpnas meta-train` wrote. Of the searcher "
            "predictor: the name of a family."
        ),
    ] = "default",
    proxy: Annotated[
        str | None,
        typer.Option(
            help="Zero-cost score of untrained networks, that naswot and area go by, and that mpnas can reckon in "
            "while results are few.  [default: naswot for naswot and area, none for mpnas]"
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="[asha|hyperband|median|lcranknet]",
            help="Who stops trainings that look bad.  [default: none, all are completed]",
        ),
    ] = None,
    time_budget_s: Annotated[
        float | None, typer.Option(help="Seconds after which all is stopped and reported.  [default: no end]")
    ] = None,
    max_params: Annotated[int | None, typer.Option(help="Most parameters of a network.  [default: any number]")] = None,
    max_flops: Annotated[
        int | None, typer.Option(help="Most multiply-adds of a network for one input.  [default: any number]")
    ] = None,
    max_concurrent: Annotated[
        int | None, typer.Option(help="Most trials at a time.  [default: as many as the cluster has room for]")
    ] = None,
    cpus_per_trial: Annotated[float, typer.Option(help="CPU cores set aside for each trial.")] = 1.0,
    gpus_per_trial: Annotated[float, typer.Option(help="GPUs for each trial; 0.25 lets four trials share one.")] = 0.0,
    gpu_memory_gb: Annotated[
        float | None,
        typer.Option(
            help="Memory of one GPU: networks that would not fit into their share of it get twice or four times as "
            "much.  [default: all get the same share]"
        ),
    ] = None,
    accelerator_type: Annotated[
        str | None, typer.Option(help="Kind of GPU, as Ray names it, e.g. A100.  [default: any]")
    ] = None,
    resource: Annotated[
        list[str] | None,
        typer.Option(help="Further resource for each trial, as the cluster's nodes have it: NAME=AMOUNT; repeatable."),
    ] = None,
    workers_per_trial: Annotated[
        int, typer.Option(help="Processes that train each network together, each with these resources.")
    ] = 1,
    trial_time_limit_s: Annotated[
        float | None,
        typer.Option(help="Seconds after which a training is ended, or killed if it hangs.  [default: none]"),
    ] = None,
    autoscaling: Annotated[
        bool,
        typer.Option(
            "--autoscaling", help="The cluster starts nodes on demand: wait for them, and ask for more of them."
        ),
    ] = False,
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
    the same --name continues it, as `mpnas resume` does.
    """
    from cluster.run.search import run_search

    logging.getLogger("ray.tune").setLevel(logging.ERROR)  # progress and report say it all
    report = run_search(
        task,
        space,
        num_samples,
        epochs=epochs,
        preset=preset,
        searcher=searcher,
        predictor=predictor,
        proxy=proxy,
        scheduler=scheduler,
        time_budget_s=time_budget_s,
        max_params=max_params,
        max_flops=max_flops,
        max_concurrent=max_concurrent,
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        gpu_memory_gb=gpu_memory_gb,
        accelerator_type=accelerator_type,
        resources_per_trial=amounts(resource),
        workers_per_trial=workers_per_trial,
        trial_time_limit_s=trial_time_limit_s,
        autoscaling=autoscaling,
        storage=storage,
        name=name,
        seed=seed,
        data_dir=data_dir,
    )
    typer.echo(str(report))


def amounts(given: list[str] | None) -> dict[str, float] | None:
    """``["slots=0.5"]`` as Ray wants it."""
    amounts: dict[str, float] = {}
    for each in given or ():
        name, _, amount = each.rpartition("=")
        if name in amounts:
            raise RunError(f"--resource names {name!r} twice: say its whole amount once.")
        try:
            amounts[name] = float(amount)
        except ValueError as error:
            raise RunError(f"--resource takes NAME=AMOUNT, such as slots=1, not {each!r}.") from error
    return amounts or None
