"""One search from start to report, on whatever Ray cluster there is."""

from __future__ import annotations

import json
import math
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray import tune

from cluster.progress import SearchProgress
from cluster.ray_cluster import Resources, connected, most_concurrent
from cluster.report import SearchReport, best_result
from cluster.run_folder import RunFolder
from cluster.telemetry import SearchTelemetry
from mpnas_ray.errors import RunError
from mpnas_ray.spaces import get_space
from searchers import (
    ArchitectureSearcher,
    LocalSearch,
    MPNASSearch,
    RandomSearch,
    RegularizedEvolution,
    REINFORCESearch,
    TPESearch,
)
from trainables import CellTrainable, Task, get_task
from trainables.cell import score_test
from trainables.networks import FoundNetwork, save_network
from trainables.networks.network import get_macro

__all__ = ["SEARCHERS", "RunInterruptedError", "run_search"]

SEARCHERS: dict[str, Callable[..., ArchitectureSearcher]] = {
    "mpnas": MPNASSearch,
    "scratch": partial(MPNASSearch, predictor=None),
    "tpe": TPESearch,
    "evolution": RegularizedEvolution,
    "local-search": LocalSearch,
    "reinforce": REINFORCESearch,
    "random": RandomSearch,
}
"""Searchers by the names that ``--searcher`` takes; ``scratch`` is MP-NAS without what it knows of other tasks."""

_TUNE_ENVIRONMENT = {
    # A snapshot takes a few milliseconds here; Tune's default of one in ten seconds could lose finished short trials.
    "TUNE_GLOBAL_CHECKPOINT_S": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # its tables are printed even with verbose=0
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # the line of a failed trial names the file with its error
}

_SETTINGS = "run.json"
_REPORT = "report.json"


class RunInterruptedError(RunError):
    """The run was stopped before its end; what was computed is saved."""


@dataclass(frozen=True)
class _Settings:
    """What two runs must have in common for one to continue the other."""

    task: str
    space: str
    num_samples: int
    epochs: int
    preset: str
    searcher: str
    seed: int


def run_search(
    task: str | Task = "darcy",
    space: str = "mixed",
    num_samples: int = 20,
    *,
    epochs: int | None = None,
    preset: str = "small",
    searcher: str = "mpnas",
    max_concurrent: int | None = None,
    cpus_per_trial: float = 1.0,
    gpus_per_trial: float = 0.0,
    storage: str | Path = "runs",
    name: str | None = None,
    seed: int = 0,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> SearchReport:
    """Search an architecture: what ``mpnas search`` does.

    A run of the same name and settings is continued: finished trials are kept, unfinished ones go on from their last
    checkpoint. A run that is complete gives its report again.

    Args:
        task: A task or its name (`trainables.get_task`).
        space: Name of a search space.
        num_samples: Number of architectures to train.
        epochs: Of each training; the task's own number if None.
        preset: Sizes of the networks, ``small`` or ``paper``.
        searcher: One of `SEARCHERS`.
        max_concurrent: Most trials at a time; as many as fit on the cluster if None.
        cpus_per_trial: CPU cores for each trial; one torch thread runs whatever this is.
        gpus_per_trial: GPUs for each trial; a fraction lets trials share one.
        storage: Folder or URI that all nodes of the cluster reach; the run is a folder in it.
        name: Of the run; made of task, space and time if None.
        seed: Of the searcher and of the trainings.
        data_dir: Where the user's data files are; the task's own place if None.
        progress: Print a line for each finished trial.

    Raises:
        MPNASError: If something was asked for that cannot be; each message says what.
        RunInterruptedError: After Ctrl-C; call again with the same name to go on.
    """
    task = task if isinstance(task, Task) else get_task(task)
    settings = _Settings(
        task=task.name,
        space=get_space(space).name,
        num_samples=num_samples,
        epochs=task.recipe.epochs if epochs is None else epochs,
        preset=preset,
        searcher=searcher,
        seed=seed,
    )
    _check(settings, max_concurrent, cpus_per_trial, gpus_per_trial)
    folder = RunFolder(str(storage), name or f"{task.name}-{space}-{datetime.now():%Y-%m-%d_%H-%M-%S}")
    finished = _earlier_report(folder, settings)
    if finished is not None:
        return finished
    task.load_checked(Path(data_dir) if data_dir else None)  # here an error is one line, not one for each trial

    with connected():
        trial_resources = {"CPU": cpus_per_trial, "GPU": gpus_per_trial}
        fitting = most_concurrent(trial_resources)
        concurrent = min(fitting, max_concurrent or fitting)
        trainable = tune.with_resources(tune.with_parameters(CellTrainable, task=task), trial_resources)
        start = time.time()
        results = _tuner(trainable, task, settings, folder, concurrent, data_dir, progress).fit()
        wall_seconds = time.time() - start
        _check_complete(results, settings, folder)

        trials = [results[number] for number in range(len(results))]
        best = best_result(trials, task.metric_key, task.metric.mode)
        network = _score_on_cluster(best, task, trial_resources)
        _save_best(network, folder)
        training_seconds, here = _training_seconds(trials, start)
        report = SearchReport(
            **{key: value for key, value in asdict(settings).items() if key not in ("num_samples", "epochs")},
            metric=task.metric.name,
            mode=task.metric.mode,
            best_arch=network.card.arch,
            validation=best.metrics[task.metric_key],
            test=network.card.scores[f"test_{task.metric.name}"],
            parameters=best.metrics["parameters"],
            num_trials=len(results),
            num_failed=results.num_errors,
            num_nan=sum(
                r.error is None and not math.isfinite((r.metrics or {}).get(task.metric_key, math.nan)) for r in trials
            ),
            num_refits=(folder.read("telemetry.jsonl") or "").count('"event": "refit"'),
            training_seconds=training_seconds,
            wall_seconds=wall_seconds,
            busy_fraction=here / (concurrent * wall_seconds),
            max_concurrent=concurrent,
            folder=str(folder),
        )
        folder.write(_REPORT, report.to_json())
        return report


def _check(settings: _Settings, max_concurrent: int | None, cpus: float, gpus: float) -> None:
    """Refuse what cannot be run, before anything is started."""
    get_macro(settings.preset)
    if settings.searcher not in SEARCHERS:
        raise RunError(f"There is no searcher {settings.searcher!r}. There are: {', '.join(SEARCHERS)}.")
    if settings.num_samples < 1:
        raise RunError(f"num_samples is the number of architectures to train, at least 1, not {settings.num_samples}.")
    if settings.epochs < 1:
        raise RunError(f"epochs must be at least 1, not {settings.epochs}.")
    if max_concurrent is not None and max_concurrent < 1:
        raise RunError(f"max_concurrent must be at least 1, not {max_concurrent}.")
    if cpus <= 0 or gpus < 0 or (gpus > 1 and gpus != int(gpus)):
        raise RunError(f"A trial takes CPUs and, if any, a fraction or a whole number of GPUs; not {cpus} and {gpus}.")


def _earlier_report(folder: RunFolder, settings: _Settings) -> SearchReport | None:
    """The report of a complete run of the same settings; None if the run is new or unfinished.

    Raises:
        RunError: If the folder holds something else.
    """
    earlier = folder.read_json(_SETTINGS)
    if earlier is None:
        if not folder.is_empty():
            raise RunError(f"{folder} holds something else than a run of mpnas-ray: choose another --name.")
        folder.write(_SETTINGS, json.dumps(asdict(settings), indent=2) + "\n")
        return None
    differences = [
        f"{key} {earlier.get(key)!r}" for key, value in asdict(settings).items() if earlier.get(key) != value
    ]
    if differences:
        raise RunError(
            f"The run {folder} was started with {', '.join(differences)}: "
            f"use the same to continue it, or another --name."
        )
    report = folder.read_json(_REPORT)
    return None if report is None else SearchReport(**report)


def _tuner(
    trainable: Any,
    task: Task,
    settings: _Settings,
    folder: RunFolder,
    concurrent: int,
    data_dir: str | Path | None,
    progress: bool,
) -> tune.Tuner:
    """A new Tuner, or one that continues what the folder holds."""
    for variable, value in _TUNE_ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    if tune.Tuner.can_restore(str(folder)):
        return tune.Tuner.restore(str(folder), trainable, resume_unfinished=True)
    search_alg = SEARCHERS[settings.searcher](settings.space, task.metric_key, task.metric.mode, seed=settings.seed)
    callbacks: list[tune.Callback] = [SearchTelemetry(search_alg, folder.storage, folder.name, task.metric_key)]
    if progress:
        callbacks.append(SearchProgress(task.metric_key, task.metric.mode, settings.num_samples))
    param_space: dict[str, Any] = {
        "task": task.name,
        "preset": settings.preset,
        "epochs": settings.epochs,
        "seed": settings.seed,
    }
    if data_dir:
        param_space["data_dir"] = str(Path(data_dir).expanduser().resolve())
    return tune.Tuner(
        trainable,
        param_space=param_space,
        tune_config=tune.TuneConfig(
            search_alg=search_alg,
            metric=task.metric_key,
            mode=task.metric.mode,
            num_samples=settings.num_samples,
            max_concurrent_trials=concurrent,
            reuse_actors=True,
            trial_dirname_creator=_trial_id,
        ),
        run_config=tune.RunConfig(
            name=folder.name,
            storage_path=folder.storage,
            callbacks=callbacks,
            checkpoint_config=tune.CheckpointConfig(
                num_to_keep=2, checkpoint_at_end=True, checkpoint_frequency=max(1, settings.epochs // 5)
            ),
            verbose=0,
        ),
    )


def _trial_id(trial: Any) -> str:
    """Name of a trial's folder: architecture strings would be cut, and are in its params.json."""
    return str(trial.trial_id)


def _check_complete(results: tune.ResultGrid, settings: _Settings, folder: RunFolder) -> None:
    """Raise if the run was stopped early; a small space ends when all of it was proposed."""
    space = get_space(settings.space)
    expected = min(settings.num_samples, len(space.distinct())) if space.enumerable else settings.num_samples
    ended = results.num_terminated + results.num_errors
    if ended < expected:
        raise RunInterruptedError(
            f"Stopped after {ended} of {expected} trials; all is saved in {folder}. "
            f"The same command with --name {folder.name} goes on from there."
        )


def _score_on_cluster(best: Any, task: Task, trial_resources: Resources) -> FoundNetwork:
    """The best trial's network with its test score, computed where a trial would run."""

    def score(config: dict[str, Any], checkpoint: tune.Checkpoint) -> FoundNetwork:
        with checkpoint.as_directory() as checkpoint_dir:
            return score_test(config, task, checkpoint_dir)

    options = {"num_cpus": trial_resources["CPU"], "num_gpus": trial_resources["GPU"]}
    found: FoundNetwork = ray.get(ray.remote(score).options(**options).remote(best.config, best.checkpoint))
    return found


def _save_best(network: FoundNetwork, folder: RunFolder) -> None:
    with tempfile.TemporaryDirectory() as local:
        save_network(Path(local), network)
        folder.upload(Path(local), "best")


def _training_seconds(trials: list[tune.Result], since: float) -> tuple[float, float]:
    """Seconds of training and validation in all trials: of the whole run, and since a moment."""
    total = here = 0.0
    for result in trials:
        epochs = result.metrics_dataframe
        if epochs is not None and "seconds" in epochs:
            total += float(epochs["seconds"].sum())
            here += float(epochs.loc[epochs["timestamp"] >= since, "seconds"].sum())
    return total, here
