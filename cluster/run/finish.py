"""The end of a run: is it complete, which architecture is the best, what goes into the report."""

from __future__ import annotations

import logging
import math
import tempfile
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

import ray
from ray import tune

from cluster.observe.telemetry import count_refits
from cluster.ray.resources import Resources
from cluster.ray.snapshots import ended_by_itself
from cluster.run.report import SearchReport, best_result, is_complete
from cluster.run.settings import RunSettings
from cluster.storage.run_folder import RunFolder
from cluster.storage.trial_files import read_trials
from mpnas_ray.errors import RunError, RunInterruptedError, TaskError
from mpnas_ray.files.json_records import from_plain
from mpnas_ray.spaces import get_space
from trainables import Task
from trainables.networks import FoundNetwork, save_network
from trainables.tune.trial import score_test

__all__ = ["REPORT_FILE", "earlier_report", "finish", "read_report", "score_on_cluster"]

REPORT_FILE = "report.json"
"""In the folder of a complete run: its report, by which it is known to be complete."""

_Report = TypeVar("_Report")

_logger = logging.getLogger(__name__)


def earlier_report(folder: RunFolder) -> SearchReport | None:
    """The report of a complete search, as of `read_report`."""
    report = read_report(folder, SearchReport)
    return None if report is None else replace(report, has_network=True)


def read_report(folder: RunFolder, kind: type[_Report]) -> _Report | None:
    """The report of a complete run, which names the folder where it is now; None if it is new or unfinished.

    A report that is damaged is put aside: it is made again from the trials.

    Args:
        folder: Of the run.
        kind: Dataclass of the report, with a field ``folder``.
    """
    try:
        content = folder.read_json(REPORT_FILE)
        if content is None:
            return None
        known = {field.name for field in fields(kind)}  # type: ignore[arg-type]  # a newer version may say more
        found = from_plain(kind, {name: value for name, value in content.items() if name in known})
        str(found)  # draws its architecture
        return replace(found, folder=folder.shown)  # type: ignore[type-var]
    except (RunError, ValueError) as error:
        _logger.warning("%s of %s is damaged (%s): it is put aside, and made again.", REPORT_FILE, folder, error)
        folder.rename(REPORT_FILE, f"damaged-{REPORT_FILE}")
        return None


def finish(
    results: tune.ResultGrid, settings: RunSettings, task: Task, folder: RunFolder, *, concurrent: int, start: float
) -> SearchReport:
    """Choose the best trial, score its network on the test part, and write both into the run's folder.

    Args:
        results: What Tune gives.
        settings: Of the run.
        task: Of the run.
        folder: Of the run.
        concurrent: Places for trials.
        start: When this session began, in seconds since 1970.

    Raises:
        RunInterruptedError: If the run is not complete.
        RunError: If no trial succeeded.
    """
    wall_seconds = time.time() - start
    _check_complete(results, settings, folder)
    trials = [results[number] for number in range(len(results))]
    values = [(r.metrics or {}).get(task.metric_key) for r in trials if r.error is None]
    is_nan = [value is not None and not math.isfinite(value) for value in values]
    is_stopped = [not is_complete(r, settings.epochs) for r in trials if r.error is None]
    best = best_result(trials, task.metric_key, task.metric.mode, settings.epochs)
    network = _scored(best, task, settings, folder)
    with tempfile.TemporaryDirectory() as local:
        save_network(Path(local), network)
        folder.upload(Path(local), "best")
    validation = network.card.scores[f"validation_{task.metric.name}"]
    if is_complete(best, settings.epochs):
        validation = best.metrics[task.metric_key]  # the same, as it was measured when the choice was made
    training_seconds, here = _training_seconds(trials, start)
    report = SearchReport(
        task=settings.task,
        space=settings.space,
        searcher=settings.searcher,
        preset=settings.preset,
        seed=settings.seed,
        metric=task.metric.name,
        mode=task.metric.mode,
        best_arch=network.card.arch,
        validation=validation,
        test=network.card.scores[f"test_{task.metric.name}"],
        parameters=best.metrics["parameters"],
        num_trials=len(results) + settings.num_failed_before,
        num_failed=results.num_errors + settings.num_failed_before,
        num_nan=sum(is_nan),
        num_stopped=sum(stopped and not nan for stopped, nan in zip(is_stopped, is_nan, strict=True)),
        num_refits=count_refits(folder),
        training_seconds=training_seconds,
        wall_seconds=wall_seconds,
        busy_fraction=here / (concurrent * wall_seconds),
        max_concurrent=concurrent,
        folder=folder.shown,
    )
    folder.write(REPORT_FILE, report.to_json())
    return report


def _check_complete(results: tune.ResultGrid, settings: RunSettings, folder: RunFolder) -> None:
    """Raise if the run was stopped early; a small space ends when all of it was proposed, a budget when it is used."""
    expected = settings.num_samples - settings.num_failed_before
    ended = results.num_terminated + results.num_errors
    if ended >= expected or (ended == len(results) and _may_end_early(settings) and ended_by_itself(folder)):
        return
    raise RunInterruptedError(
        f"Stopped after {ended} of {expected} trials; all is saved in {folder}. "
        f"The same command with --name {folder.name} goes on from there. So does: mpnas resume {folder}"
    )


def _may_end_early(settings: RunSettings) -> bool:
    limited = settings.max_params is not None or settings.max_flops is not None
    return settings.time_budget_s is not None or limited or get_space(settings.space).enumerable


def _scored(best: Any, task: Task, settings: RunSettings, folder: RunFolder) -> FoundNetwork:
    """The best network with its scores.

    Raises:
        RunError: If its checkpoint is damaged or gone.
    """
    try:
        return score_on_cluster(best, _checkpoint(best, folder), task, settings.worker_resources)
    except (TaskError, OSError) as error:
        reason = error.cause if isinstance(error, ray.exceptions.RayTaskError) else error
        raise RunError(
            f"All trials of {folder} are complete, but the network of the best one cannot be read: {reason} All other "
            f"results are kept. This trains it again, and one more: mpnas extend {folder} --num-samples "
            f"{settings.num_samples + 1}"
        ) from error


def _checkpoint(best: Any, folder: RunFolder) -> tune.Checkpoint:
    """The newest of a trial. Tune knows only of those that went through it, as those of several workers do not."""
    if best.checkpoint is not None:
        known: tune.Checkpoint = best.checkpoint
        return known
    trial_id = (best.metrics or {})["trial_id"]
    trainings = {trial.trial_id: trial.training for trial in read_trials(folder)}
    training = trainings.get(trial_id)
    if training is None:
        raise RunError(f"The best trial, {trial_id}, has left no whole checkpoint in {folder}.")
    return tune.Checkpoint(training.checkpoint)


def score_on_cluster(best: Any, checkpoint: tune.Checkpoint, task: Task, worker_resources: Resources) -> FoundNetwork:
    """The network of a trial's result with its test score, computed where a trial would run."""

    def score(config: dict[str, Any], checkpoint: tune.Checkpoint) -> FoundNetwork:
        with checkpoint.as_directory() as checkpoint_dir:
            return score_test(config, task, checkpoint_dir)

    others = {name: amount for name, amount in worker_resources.items() if name not in ("CPU", "GPU")}
    options = {"num_cpus": worker_resources["CPU"], "num_gpus": worker_resources["GPU"], "resources": others}
    found: FoundNetwork = ray.get(ray.remote(score).options(**options).remote(best.config, checkpoint))
    return found


def _training_seconds(trials: list[tune.Result], since: float) -> tuple[float, float]:
    """Seconds of training and validation in all trials: of their whole trainings, and since a moment."""
    total = here = 0.0
    for result in trials:
        epochs = result.metrics_dataframe
        if epochs is None or "seconds" not in epochs:
            continue
        here += float(epochs.loc[epochs["timestamp"] >= since, "seconds"].sum())
        # Trials of older versions do not say the seconds of their whole training, which was all theirs then.
        whole = "training_seconds" in epochs
        total += float(epochs["training_seconds"].max() if whole else epochs["seconds"].sum())
    return total, here
