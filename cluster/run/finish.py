"""Finish a run: check that it is complete, choose the best architecture, score its network, and write the report."""

from __future__ import annotations

import logging
import math
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray import tune
from ray.tune.integration.ray_train import CHECKPOINT_PATH_KEY

from cluster.observe.events import count_refits
from cluster.ray.resources import Resources
from cluster.ray.snapshots import ended_by_itself
from cluster.run.config import SearchConfig
from cluster.run.explaining import write_explanation
from cluster.run.front import FRONT_FILE, Front, FrontNetwork, keeps, with_tests
from cluster.run.record import RunRecord
from cluster.run.report import REPORT_FILE, SearchReport
from cluster.storage.run_folder import RunFolder
from cluster.storage.trial_files import read_trials
from mpnas_ray.errors import RunError, RunInterruptedError, TaskError
from mpnas_ray.metric_values import metric_value
from mpnas_ray.spaces import Architectures, get_space
from searchers.model_based.objectives.costs import CostOf
from trainables import Task
from trainables.networks import FoundNetwork, save_network
from trainables.tune.trial import score_test
from trainables.user_code import failure_in_text

__all__ = ["best_result", "error_file", "finish", "score_on_cluster"]

_logger = logging.getLogger(__name__)


def finish(
    results: tune.ResultGrid,
    record: RunRecord,
    task: Task,
    folder: RunFolder,
    *,
    concurrent: int,
    start: float,
    known: Mapping[str, CostOf] | None = None,
) -> SearchReport:
    """Choose the best trial, score its network on the test part, and write both into the run's folder.

    In a search with costs, the best trial is that of the best metric among those that keep all limits, or among all if
    none does; every network of the front is scored and written as well.

    Args:
        results: Results of all trials, from Tune.
        record: Record of the run.
        task: Task of the run.
        folder: Folder of the run.
        concurrent: Number of slots for trials.
        start: Time at which this session began, in seconds since 1970.
        known: Functions of the costs that are known beforehand.

    Raises:
        RunInterruptedError: If the run is not complete.
        RunError: If no trial succeeded.
    """
    wall_seconds = time.time() - start
    _check_complete(results, record, folder)
    trials = [results[number] for number in range(len(results))]
    values = [(r.metrics or {}).get(task.metric_key) for r in trials if r.error is None]
    is_nan = [value is not None and not math.isfinite(value) for value in values]
    is_stopped = [not is_complete(r, record.epochs) for r in trials if r.error is None]
    best = best_result(trials, task.metric_key, task.metric.mode, record.epochs)
    front = _front(trials, best, record, task, known or {})
    by_trial = {(trial.metrics or {}).get("trial_id"): trial for trial in trials}
    if front is not None:
        best = by_trial[front.networks[0].trial_id]
    network = _scored(best, task, record, folder)
    _keep(network, folder, "best")
    if front is not None and front.costs:
        scores: dict[str, tuple[float, str]] = {}
        for number, each in enumerate(front.networks, 1):
            trial = by_trial[each.trial_id]
            try:
                of_front = network if trial is best else _scored(trial, task, record, folder)
            except RunError as error:  # the others are worth more than an end of the run
                _logger.warning("%s", error)
                continue
            _keep(of_front, folder, f"front/{number}")
            scores[each.trial_id] = of_front.card.scores[f"test_{task.metric.name}"], f"front/{number}"
        front = with_tests(front, scores)
        folder.write(FRONT_FILE, front.to_json())
    validation = network.card.scores[f"validation_{task.metric.name}"]
    if is_complete(best, record.epochs):
        validation = best.metrics[task.metric_key]  # the same, as it was measured when the choice was made
    training_seconds, here = _training_seconds(trials, start)
    config = record.config
    report = SearchReport(
        task=record.task_name,
        space=config.space,
        searcher=config.searcher,
        preset=config.preset,
        seed=config.seed,
        metric=task.metric.name,
        mode=task.metric.mode,
        best_arch=network.card.arch,
        validation=validation,
        test=network.card.scores[f"test_{task.metric.name}"],
        parameters=best.metrics["parameters"],
        num_trials=len(results) + record.num_failed_before,
        num_failed=results.num_errors + record.num_failed_before,
        num_nan=sum(is_nan),
        num_stopped=sum(stopped and not nan for stopped, nan in zip(is_stopped, is_nan, strict=True)),
        num_refits=count_refits(folder),
        training_seconds=training_seconds,
        wall_seconds=wall_seconds,
        busy_fraction=here / (concurrent * wall_seconds),
        max_concurrent=concurrent,
        folder=folder.shown,
        data_in=best.metrics.get("data_in", "memory"),  # an older session did not report it
        num_front=0 if front is None or not front.costs else len(front.networks),
        keeps_limits=front is None or keeps(front.networks[0].costs, front.limits),
        weights=config.weights,
    )
    folder.write(REPORT_FILE, report.to_json())
    write_explanation(folder)
    return report


def _front(trials: list[Any], best: Any, record: RunRecord, task: Task, known: Mapping[str, CostOf]) -> Front | None:
    """Find the front of a search with costs; None for a search without, or if no trial has all costs."""
    config = record.config
    if not config.cost_names:
        return None
    whole = is_complete(best, record.epochs)
    counted = [
        trial for trial in trials if has_value(trial, task.metric_key) and is_complete(trial, record.epochs) == whole
    ]
    archs = Architectures.of([trial.config["arch"] for trial in counted], get_space(config.space))
    computed = {name: np.asarray(function(archs), dtype=np.float64) for name, function in known.items()}
    networks = []
    for row, trial in enumerate(counted):
        reported = {name: metric_value(trial.metrics.get(name)) for name in config.cost_names}
        values = {**reported, **{name: float(of_all[row]) for name, of_all in computed.items()}}
        costs = {name: value for name, value in values.items() if math.isfinite(value) and value >= 0}
        networks.append(
            FrontNetwork(trial.config["arch"], trial.metrics["trial_id"], trial.metrics[task.metric_key], costs)
        )
    try:
        return Front.of(networks, task.metric.name, task.metric.mode, config.minimize, config.max_costs)
    except RunError as error:
        _logger.warning("%s The report has the best by the metric alone.", error)
        return None


def _keep(network: FoundNetwork, folder: RunFolder, name: str) -> None:
    """Save a network into the folder of its run."""
    with tempfile.TemporaryDirectory() as local:
        save_network(Path(local), network)
        folder.upload(Path(local), name)


def _check_complete(results: tune.ResultGrid, record: RunRecord, folder: RunFolder) -> None:
    """Raise if the run was stopped early; a small space ends when all of it was proposed, a budget when it is used."""
    expected = record.num_trials
    ended = results.num_terminated + results.num_errors
    if ended >= expected or (ended == len(results) and _may_end_early(record.config) and ended_by_itself(folder)):
        return
    raise RunInterruptedError(
        f"Stopped after {ended} of {expected} trials; all is saved in {folder}. "
        f"The same command with --name {folder.name} goes on from there. So does: mpnas resume {folder}"
    )


def _may_end_early(config: SearchConfig) -> bool:
    limited = config.max_params is not None or config.max_flops is not None or config.max_costs is not None
    return config.time_budget_s is not None or limited or get_space(config.space).enumerable


def _scored(best: Any, task: Task, record: RunRecord, folder: RunFolder) -> FoundNetwork:
    """Score the best network.

    Raises:
        RunError: If its checkpoint is damaged or gone.
    """
    try:
        return score_on_cluster(best, _checkpoint(best, folder), task, record.config.worker_resources)
    except (TaskError, OSError) as error:
        reason = error.cause if isinstance(error, ray.exceptions.RayTaskError) else error
        raise RunError(
            f"All trials of {folder} are complete, but the network of the best one cannot be read: {reason} All other "
            f"results are kept. This trains it again, and one more: mpnas extend {folder} --num-samples "
            f"{record.config.num_samples + 1}"
        ) from error


def _checkpoint(best: Any, folder: RunFolder) -> tune.Checkpoint:
    """Find the newest checkpoint of a trial.

    Tune does not know the checkpoints of trials of several workers, which do not go through it.
    """
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
    """Compute the test score of the network of a trial's result, where a trial would run."""

    def score(config: dict[str, Any], checkpoint: tune.Checkpoint) -> FoundNetwork:
        with checkpoint.as_directory() as checkpoint_dir:
            return score_test(config, task, checkpoint_dir)

    others = {name: amount for name, amount in worker_resources.items() if name not in ("CPU", "GPU")}
    options = {"num_cpus": worker_resources["CPU"], "num_gpus": worker_resources["GPU"], "resources": others}
    found: FoundNetwork = ray.get(ray.remote(score).options(**options).remote(best.config, checkpoint))
    return found


def _training_seconds(trials: list[tune.Result], since: float) -> tuple[float, float]:
    """Add up the seconds of training and validation in all trials: of whole trainings, and since a moment."""
    total = here = 0.0
    for result in trials:
        epochs = result.metrics_dataframe
        if epochs is None or "seconds" not in epochs:
            continue
        here += float(epochs.loc[epochs["timestamp"] >= since, "seconds"].sum())
        total += float(epochs["training_seconds"].max())
    return total, here


def is_complete(result: Any, epochs: int) -> bool:
    """Say whether a trial's training went through all of its epochs, or ended by its patience as a whole one."""
    metrics = result.metrics or {}
    return max(int(metrics.get(name, 0)) for name in ("epoch", "training_iteration")) >= epochs


def has_value(result: Any, metric_key: str) -> bool:
    """Say whether a trial did not fail, and has left a finite value and a checkpoint."""
    metrics = result.metrics or {}
    has_checkpoint = result.checkpoint is not None or CHECKPOINT_PATH_KEY in metrics  # one worker, several
    return result.error is None and has_checkpoint and math.isfinite(metrics.get(metric_key, math.nan))


def error_file(result: Any) -> str:
    """Say where the full traceback of a failed trial is, as a sentence that follows its error in a line."""
    path = getattr(result, "path", None)
    return f". The full traceback is in {path}/error.txt" if path else ""


def best_result(results: Iterable[Any], metric_key: str, mode: str, epochs: int) -> Any:
    """Choose the trial result with the best last value of a metric, whatever it costs.

    Failed trials, values that are not finite and trials without a checkpoint do not count. Those whose training went
    through all ``epochs`` go before those that were stopped, whose values do not compare.

    Raises:
        RunError: If no trial has one; the message holds the first error, or says that no training came to a result.
    """
    ended = list(results)
    finite = [result for result in ended if has_value(result, metric_key)]
    if not finite:
        errors = [f"{failure_in_text(str(r.error))}{error_file(r)}" for r in ended if r.error is not None]
        if not errors and not any(metric_key in (result.metrics or {}) for result in ended):
            raise RunError(f"No trial gave a {metric_key}: the run ended before their first epoch. Give it more time.")
        again = (
            ". A trial that failed is not repeated: once the cause is mended, search under another name."
            if errors
            else ""
        )
        raise RunError(
            f"No trial gave a finite {metric_key}. First error: {errors[0] if errors else 'none raised'}{again}"
        )
    complete = [result for result in finite if is_complete(result, epochs)]
    return (max if mode == "max" else min)(complete or finite, key=lambda result: result.metrics[metric_key])
