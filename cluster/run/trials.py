"""Run the trials of a session with Tune: its environment, the trainable and the Tuner."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ray import tune
from ray.tune.schedulers import TrialScheduler

from cluster.observe.events import note_session
from cluster.observe.metrics import SearchMetrics
from cluster.observe.progress import SearchProgress
from cluster.observe.telemetry import SearchTelemetry, telemetry_to
from cluster.ray.connection import most_concurrent
from cluster.ray.memory_deaths import memory_deaths_survived
from cluster.ray.slots import Elastic, Slots, slots_of_this_session
from cluster.ray.snapshots import enqueue_all, reconcile, restored
from cluster.run.assemble.searcher import make_searcher
from cluster.run.assemble.trial_sizes import TrialSizes, choose_sizes
from cluster.run.record import RunRecord
from cluster.storage.run_folder import RunFolder
from cluster.storage.trial_files import MAX_FAILURES, TrialFiles, distinct, newest_trainings, read_trials
from mpnas_ray.spaces import get_space
from searchers import ArchitectureSearcher
from searchers.core.zero_cost import Score
from searchers.model_based.objectives.costs import CostOf
from searchers.schedulers.registry import SCHEDULERS
from trainables import CellTrainable, Task, TaskData
from trainables.networks.limits import SizeLimits
from trainables.tune.distributed import DRIVER_RESOURCES, DistributedCellTrainable

__all__ = ["TUNE_ENVIRONMENT", "Session", "TrialsOutcome", "prepare_tune", "run_trials", "snapshot_seconds", "trial_id"]

TUNE_ENVIRONMENT = {
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # its tables are printed even with verbose=0
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # the line of a failed trial names the file with its error
}


def snapshot_seconds(num_samples: int) -> str:
    """Time from one of Tune's snapshots of a run to the next, as ``TUNE_GLOBAL_CHECKPOINT_S``.

    With each, Tune copies the logs of all trials once more, 0.4 to 1.1 ms of CPU a trial: every second is for small
    runs only. The work of trials since the last snapshot is in their own files (`cluster.ray.snapshots`).
    """
    return str(max(1, num_samples // 200))


def prepare_tune(num_samples: int) -> None:
    """Set the environment variables that Tune reads, unless the user has."""
    for variable, value in {**TUNE_ENVIRONMENT, "TUNE_GLOBAL_CHECKPOINT_S": snapshot_seconds(num_samples)}.items():
        os.environ.setdefault(variable, value)


@dataclass(frozen=True)
class Session:
    """A session of a run, with all that it works with; made and checked before Ray is asked for.

    Attributes:
        record: Record of the run.
        task: Task of the run.
        data: Data of the task.
        folder: Folder of the run.
        limits: Constraint on the architectures; None for all.
        score: Zero-cost score for the searcher; None for none.
        before: Trials of the run that this one extends.
        progress: Print a line for each finished trial.
        known: Functions of the costs that are known beforehand.
        weights: Checkpoint of the supernet from whose weights networks start; None for random weights.
    """

    record: RunRecord
    task: Task
    data: TaskData
    folder: RunFolder
    limits: SizeLimits | None
    score: Score | None
    before: list[TrialFiles]
    progress: bool
    known: Mapping[str, CostOf] = field(default_factory=dict)
    weights: str | None = None


@dataclass(frozen=True)
class TrialsOutcome:
    """The outcome of the trials of a session, which have ended or were stopped.

    Attributes:
        results: Results of all trials of the run.
        concurrent: Number of slots for trials.
        start: Time at which the session began, in seconds since 1970.
    """

    results: tune.ResultGrid
    concurrent: int
    start: float


def run_trials(session: Session) -> TrialsOutcome:
    """Run the trials that are left, on the Ray that this process is connected to."""
    record, folder, config = session.record, session.folder, session.record.config
    fresh_searcher = partial(make_searcher, config, session.task, session.limits, session.score, session.known)
    searcher = fresh_searcher()
    sizes = choose_sizes(record, session.task, session.data)
    fitting = [  # the largest must fit, too; the smallest are as many as there may be
        most_concurrent(resources, config.workers_per_trial, autoscaling=config.autoscaling)
        for resources in sizes.resources
    ]
    concurrent = min(fitting[0], config.max_concurrent or fitting[0])
    start = time.time()
    prepare_tune(config.num_samples)
    if RunRecord.read(folder) is None:  # from here on it is a run
        record.write(folder)
    before, here = (_of_space(trials, config.space) for trials in (session.before, read_trials(folder)))
    trainable = _trainable(record, session.task, [*before, *here], sizes)
    tuner = restored(folder, trainable) if reconcile(folder, here, fresh_searcher) else None
    if tuner is None:
        enqueue_all(searcher, distinct([*before, *here]))
        tuner = _tuner(session, trainable, searcher, concurrent)
    _note_session(session, concurrent)
    slots = Slots(sizes.resources[0], config.workers_per_trial, config.max_concurrent, config.autoscaling)
    with memory_deaths_survived(), slots_of_this_session(slots), telemetry_to(folder):
        return TrialsOutcome(tuner.fit(), concurrent, start)


def _note_session(session: Session, concurrent: int) -> None:
    """Note what the report of the run cannot know otherwise before its end."""
    task = session.task
    note_session(
        session.folder,
        metric=task.metric.name,
        mode=task.metric.mode,
        slots=concurrent,
        input_shape=list(task.encoded_shape(session.data)),
        num_outputs=task.num_outputs,
        dense=task.dense,
    )


def _tuner(session: Session, trainable: Any, searcher: ArchitectureSearcher, concurrent: int) -> tune.Tuner:
    """Make a Tuner for a run that has none that could be restored."""
    record, task, folder = session.record, session.task, session.folder
    config = record.config
    callbacks: list[tune.Callback] = [
        SearchTelemetry(searcher, folder.storage, folder.name, task.metric_key),
        SearchMetrics(searcher, folder.name, task.metric_key, task.metric.mode),
        Elastic(searcher),
    ]
    if session.progress:
        callbacks.append(SearchProgress(task.metric_key, task.metric.mode, record.num_trials))
    return tune.Tuner(
        trainable,
        param_space={**record.constants(), **({"weights": session.weights} if session.weights else {})},
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=_scheduler(record, task),
            metric=task.metric_key,
            mode=task.metric.mode,
            num_samples=record.num_trials,
            time_budget_s=config.time_budget_s,
            max_concurrent_trials=concurrent,
            reuse_actors=config.workers_per_trial == 1,
            trial_dirname_creator=trial_id,
        ),
        run_config=tune.RunConfig(
            name=folder.name,
            storage_path=folder.storage,
            callbacks=callbacks,
            failure_config=tune.FailureConfig(max_failures=MAX_FAILURES),
            checkpoint_config=_checkpoints(record),
            verbose=0,
        ),
    )


def _scheduler(record: RunRecord, task: Task) -> TrialScheduler | None:
    name = record.config.scheduler
    return None if name is None else SCHEDULERS[name](record.epochs, task.family or task.name, record.config.seed)


def _trainable(record: RunRecord, task: Task, trials: list[TrialFiles], sizes: TrialSizes) -> Any:
    """Make the trainable with its resources; it goes on from the checkpoints of the trials."""
    earlier, num_workers = newest_trainings(trials), record.config.workers_per_trial
    if num_workers == 1:
        return tune.with_resources(tune.with_parameters(CellTrainable, task=task, earlier=earlier), sizes)
    several = tune.with_parameters(
        DistributedCellTrainable,
        task=task,
        earlier=earlier,
        num_workers=num_workers,
        worker_resources={name: amount for name, amount in sizes.resources[0].items() if amount > 0},
        checkpoint_every=_checkpoint_every(record),
    )
    return tune.with_resources(several, DRIVER_RESOURCES)


def _checkpoint_every(record: RunRecord) -> int:
    """Epochs from one checkpoint of a trial to the next."""
    return max(1, record.epochs // 5)


def _checkpoints(record: RunRecord) -> tune.CheckpointConfig:
    """Let Tune save trials of one worker; those of several save themselves, and Tune refuses to."""
    if record.config.workers_per_trial > 1:
        return tune.CheckpointConfig()
    return tune.CheckpointConfig(num_to_keep=2, checkpoint_at_end=True, checkpoint_frequency=_checkpoint_every(record))


def trial_id(trial: Any) -> str:
    """Name a trial's folder by its id: architecture strings would be cut, and are in its params.json.

    Tune's files name this function: it must stay where it is for runs to be continued.
    """
    return str(trial.trial_id)


def _of_space(trials: list[TrialFiles], space: str) -> list[TrialFiles]:
    """Keep the trials whose architecture is of the run's space: another one can only be damage."""
    known = get_space(space)
    return [trial for trial in trials if trial.arch in known]
