"""Searches from start to report, on whatever Ray cluster there is: new ones, stopped ones, and larger ones."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.schedulers import TrialScheduler

from cluster.observe.metrics import SearchMetrics
from cluster.observe.progress import SearchProgress
from cluster.observe.telemetry import SearchTelemetry, telemetry_to
from cluster.ray.addresses import check_ray
from cluster.ray.connection import connected, most_concurrent
from cluster.ray.memory_deaths import memory_deaths_survived
from cluster.ray.slots import Elastic, Slots, slots_of_this_session
from cluster.ray.snapshots import enqueue_all, reconcile, restored
from cluster.run.assemble import make_scheduler, make_searcher
from cluster.run.damage import extended_run, settings_before, with_network
from cluster.run.finish import earlier_report, finish
from cluster.run.limits import size_limits
from cluster.run.report import SearchReport
from cluster.run.settings import RunSettings
from cluster.run.trainable import make_trainable
from cluster.run.trial_sizes import TrialSizes, choose_sizes
from cluster.run.zero_cost import zero_cost_score
from cluster.storage.lock import locked
from cluster.storage.run_folder import RunFolder
from cluster.storage.shared_storage import check_shared
from cluster.storage.trial_files import MAX_FAILURES, TrialFiles, newest_trainings, read_trials
from mpnas_ray.checks import require_count
from mpnas_ray.errors import RunError
from mpnas_ray.pretrained import BUNDLED
from mpnas_ray.spaces import get_space
from searchers import ArchitectureSearcher
from searchers.registry import BY_SCORE, SEARCHERS
from searchers.schedulers.registry import SCHEDULERS
from trainables import Task, get_task
from trainables.tasks.core.task import task_reference
from trainables.training.loop import check_batches

__all__ = [
    "SCHEDULERS",
    "SEARCHERS",
    "TUNE_ENVIRONMENT",
    "extend_search",
    "resume_search",
    "run_search",
]

TUNE_ENVIRONMENT = {
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # its tables are printed even with verbose=0
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # the line of a failed trial names the file with its error
}


def snapshot_seconds(num_samples: int) -> str:
    """Time from one of Tune's snapshots of a run to the next, as ``TUNE_GLOBAL_CHECKPOINT_S``.

    With each, Tune copies the logs of all trials once more, 0.4 to 1.1 ms of CPU a trial: every second is for small
    runs only. What trials did since the last snapshot is in their own files (`cluster.ray.snapshots`).
    """
    return str(max(1, num_samples // 200))


def prepare_tune(num_samples: int) -> None:
    """Set what Tune reads from the environment, unless the user has."""
    for variable, value in {**TUNE_ENVIRONMENT, "TUNE_GLOBAL_CHECKPOINT_S": snapshot_seconds(num_samples)}.items():
        os.environ.setdefault(variable, value)


def run_search(
    task: str | Task = "darcy",
    space: str = "mixed",
    num_samples: int = 20,
    *,
    epochs: int | None = None,
    preset: str = "small",
    searcher: str = "mpnas",
    predictor: str | Path = "default",
    proxy: str | None = None,
    scheduler: str | None = None,
    time_budget_s: float | None = None,
    max_params: int | None = None,
    max_flops: int | None = None,
    max_concurrent: int | None = None,
    cpus_per_trial: float = 1.0,
    gpus_per_trial: float = 0.0,
    gpu_memory_gb: float | None = None,
    accelerator_type: str | None = None,
    resources_per_trial: dict[str, float] | None = None,
    workers_per_trial: int = 1,
    trial_time_limit_s: float | None = None,
    autoscaling: bool = False,
    storage: str | Path = "runs",
    name: str | None = None,
    seed: int = 0,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> SearchReport:
    """Search an architecture: what ``mpnas search`` does.

    A run of the same name and settings is continued as by `resume_search`. A run that is complete gives its report
    again.

    Args:
        task: A task or its name (`trainables.get_task`).
        space: Name of a search space.
        num_samples: Number of architectures to train.
        epochs: Of each training; the task's own number if None.
        preset: Sizes of the networks, ``small`` or ``paper``.
        searcher: One of `SEARCHERS`.
        predictor: Of the searcher ``mpnas``: ``default``, or the path of a checkpoint (`mpnas meta-train`). Of the
            searcher ``predictor``: a name that `mpnas_ray.catalogue.make_predictor` knows.
        proxy: A zero-cost proxy (`trainables.proxies.proxy_names`): by it ``naswot`` proposes, and ``area`` chooses its
            first population (``naswot`` if None); the ranking of ``mpnas`` is fused with it.
        scheduler: One of `SCHEDULERS`, to stop trainings that look bad; None to complete all.
        time_budget_s: Seconds after which all trainings are stopped and the run is complete.
        max_params: Most trainable parameters of a network.
        max_flops: Most multiply-adds of a network for one input, see `trainables.networks.limits.NetworkSizes.flops`.
        max_concurrent: Most trials at a time; as many as fit on the cluster if None.
        cpus_per_trial: CPU cores for each trial; one torch thread runs whatever this is.
        gpus_per_trial: GPUs for each trial; a fraction lets trials share one.
        gpu_memory_gb: Memory of one GPU in 10^9 bytes: networks that would not fit into their share of it get twice or
            four times as much; None to give all the same share.
        accelerator_type: Kind of GPU, as Ray names it (``A100``); None for any.
        resources_per_trial: Further resources, as the cluster's nodes have them by name.
        workers_per_trial: Processes that train each network together, each with these resources.
        trial_time_limit_s: Seconds after which a training is ended with what it has. One whose epoch takes as long by
            itself hangs: it is killed, tried again, and fails in the end.
        autoscaling: Whether the cluster starts nodes on demand, of which Ray does not tell: a run then waits for what
            no node has yet, and asks for one place more than there is, up to ``max_concurrent``.
        storage: Folder or URI that all nodes of the cluster reach; the run is a folder in it.
        name: Of the run; made of task, space and time if None.
        seed: Of the searcher and of the trainings.
        data_dir: Where the user's data files are; the task's own place if None.
        progress: Print a line for each finished trial.

    Raises:
        MPNASError: If something was asked for that cannot be; each message says what.
        RunInterruptedError: After Ctrl-C; call again with the same name to go on.
    """
    reference = task_reference(task) if isinstance(task, str) else None
    task = task if isinstance(task, Task) else get_task(task)
    settings = RunSettings(
        task=task.name,
        space=get_space(space).name,
        num_samples=num_samples,
        epochs=task.recipe.epochs if epochs is None else epochs,
        preset=preset,
        searcher=searcher,
        seed=seed,
        predictor=_predictor_setting(predictor, searcher),
        proxy=proxy or ("naswot" if searcher in BY_SCORE else None),
        scheduler=scheduler,
        time_budget_s=time_budget_s,
        max_params=max_params,
        max_flops=max_flops,
        max_concurrent=max_concurrent,
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        gpu_memory_gb=gpu_memory_gb,
        accelerator_type=accelerator_type,
        resources_per_trial=resources_per_trial,
        workers_per_trial=workers_per_trial,
        trial_time_limit_s=trial_time_limit_s,
        autoscaling=autoscaling,
        data_dir=str(Path(data_dir).expanduser().resolve()) if data_dir else None,
        task_reference=reference,
    )
    settings.check()
    own_name = f"{task.name}-{space}-{datetime.now():%Y-%m-%d_%H-%M-%S}"
    folder = RunFolder(str(storage), own_name if name is None else name)
    with folder.taken_away_if_refused():
        earlier = settings_before(folder, settings)
        if earlier is not None:
            settings.check_same(earlier, folder)
        return _search(settings, task, folder, progress=progress)


def resume_search(folder: str | Path, *, task: Task | None = None, progress: bool = True) -> SearchReport:
    """Continue a run that was stopped, however it was: what ``mpnas resume`` does.

    No training that was complete is done again, and the others go on from their last checkpoint. A run that is complete
    gives its report again.

    Args:
        folder: The run's folder or URI.
        task: The run's task, if only this program knows of it.
        progress: Print a line for each finished trial.

    Raises:
        MPNASError: If there is no run, or if it cannot be continued.
        RunInterruptedError: After Ctrl-C.
    """
    run = RunFolder.of_run(folder)
    settings = _settings_of(run)
    return _search(settings, _task_of(settings, run, task), run, progress=progress)


def extend_search(
    folder: str | Path, num_samples: int, *, name: str | None = None, task: Task | None = None, progress: bool = True
) -> SearchReport:
    """Begin a new run with all that an earlier one has found: what ``mpnas extend`` does.

    The earlier run stays as it is. Its trials are the first of the new run and report at once, so that the searcher
    knows them and the best is chosen among all; trials that failed are counted and not repeated. A new run of that name
    that was stopped is continued.

    Args:
        folder: The earlier run's folder or URI.
        num_samples: Number of architectures in all, more than the earlier run had.
        name: Of the new run, which lies beside the earlier one; ``<earlier>-extended-<num_samples>`` if None.
        task: The run's task, if only this program knows of it.
        progress: Print a line for each finished trial.

    Raises:
        MPNASError: If there is no run, or if it cannot be extended.
        RunInterruptedError: After Ctrl-C.
    """
    num_samples = require_count("num_samples", num_samples, 1, error=RunError)
    source = RunFolder.of_run(folder)
    earlier = _settings_of(source)
    trials = _distinct(read_trials(source))
    num_before = len(trials) + earlier.num_failed_before
    if num_samples <= num_before:
        raise RunError(
            f"{source} has {num_before} architectures: num_samples is the number in all, more than that, not "
            f"{num_samples}."
        )
    settings = replace(
        earlier,
        num_samples=num_samples,
        extends=str(source),
        num_failed_before=earlier.num_failed_before + sum(trial.failed for trial in trials),
    )
    found = _task_of(settings, source, task)
    target = RunFolder(source.storage, f"{source.name}-extended-{num_samples}" if name is None else name)
    with target.taken_away_if_refused():
        begun = RunSettings.read(target)
        if begun is not None:
            if begun.extends is None or str(extended_run(begun.extends, target)) != str(source):
                raise RunError(f"{target} is a run that does not extend {source}: choose another --name.")
            settings.check_same(begun, target)
            settings = replace(begun, extends=str(source))
        return _search(settings, found, target, before=trials, progress=progress)


def _search(
    settings: RunSettings,
    task: Task,
    folder: RunFolder,
    *,
    before: list[TrialFiles] | None = None,
    progress: bool,
) -> SearchReport:
    """Run what is left to run in a folder, and report. ``before`` are the trials of the run that this one extends; they
    are read from there if None.
    """
    finished = earlier_report(folder)
    if finished is not None:
        return with_network(finished, folder, task, settings)
    settings.check()
    check_ray()  # before what may take minutes
    data = task.load_checked(settings.data_path)  # here an error is one line, not one for each trial
    recipe = replace(task.recipe, epochs=settings.epochs)
    check_batches(task.name, recipe, len(data.train), settings.workers_per_trial)
    limits, score = size_limits(settings, task, data), zero_cost_score(settings, task, data)
    if before is None:
        before = _distinct(read_trials(extended_run(settings.extends, folder))) if settings.extends else []
    before = _of_space(before, settings)
    fresh_searcher = partial(make_searcher, settings, task, limits, score)
    searcher, scheduler = fresh_searcher(), make_scheduler(settings, task)
    with locked(folder), connected(dashboard=settings.workers_per_trial > 1):
        check_shared(folder)
        sizes = choose_sizes(settings, task, data)
        fitting = [  # the largest must fit, too; the smallest are as many as there may be
            most_concurrent(resources, settings.workers_per_trial, autoscaling=settings.autoscaling)
            for resources in sizes.resources
        ]
        concurrent = min(fitting[0], settings.max_concurrent or fitting[0])
        start = time.time()
        prepare_tune(settings.num_samples)
        if RunSettings.read(folder) is None:  # from here on it is a run
            settings.write(folder)
        here = _of_space(read_trials(folder), settings)
        trainable = _trainable(settings, task, [*before, *here], sizes)
        tuner = restored(folder, trainable) if reconcile(folder, here, fresh_searcher) else None
        if tuner is None:
            enqueue_all(searcher, _distinct([*before, *here]))
            tuner = _tuner(settings, task, folder, trainable, searcher, scheduler, concurrent, progress)
        slots = Slots(sizes.resources[0], settings.workers_per_trial, settings.max_concurrent, settings.autoscaling)
        with memory_deaths_survived(), slots_of_this_session(slots), telemetry_to(folder):
            results = tuner.fit()
        return finish(results, settings, task, folder, concurrent=concurrent, start=start)


def _tuner(
    settings: RunSettings,
    task: Task,
    folder: RunFolder,
    trainable: Any,
    search_alg: ArchitectureSearcher,
    scheduler: TrialScheduler | None,
    concurrent: int,
    progress: bool,
) -> tune.Tuner:
    """A new Tuner."""
    callbacks: list[tune.Callback] = [
        SearchTelemetry(search_alg, folder.storage, folder.name, task.metric_key),
        SearchMetrics(search_alg, folder.name, task.metric_key, task.metric.mode),
        Elastic(search_alg),
    ]
    num_samples = settings.num_samples - settings.num_failed_before
    if progress:
        callbacks.append(SearchProgress(task.metric_key, task.metric.mode, num_samples))
    return tune.Tuner(
        trainable,
        param_space=settings.constants(),
        tune_config=tune.TuneConfig(
            search_alg=search_alg,
            scheduler=scheduler,
            metric=task.metric_key,
            mode=task.metric.mode,
            num_samples=num_samples,
            time_budget_s=settings.time_budget_s,
            max_concurrent_trials=concurrent,
            reuse_actors=settings.workers_per_trial == 1,
            trial_dirname_creator=_trial_id,
        ),
        run_config=tune.RunConfig(
            name=folder.name,
            storage_path=folder.storage,
            callbacks=callbacks,
            failure_config=tune.FailureConfig(max_failures=MAX_FAILURES),
            checkpoint_config=_checkpoints(settings),
            verbose=0,
        ),
    )


def _trainable(settings: RunSettings, task: Task, trials: list[TrialFiles], sizes: TrialSizes) -> Any:
    """The trainable of the run, which goes on from what is there of the trials."""
    every = _checkpoint_every(settings)
    return make_trainable(task, newest_trainings(trials), sizes, settings.workers_per_trial, every)


def _checkpoint_every(settings: RunSettings) -> int:
    """Epochs from one checkpoint of a trial to the next."""
    return max(1, settings.epochs // 5)


def _checkpoints(settings: RunSettings) -> tune.CheckpointConfig:
    """Trials of several workers see to it themselves, and Tune refuses to."""
    if settings.workers_per_trial > 1:
        return tune.CheckpointConfig()
    return tune.CheckpointConfig(
        num_to_keep=2, checkpoint_at_end=True, checkpoint_frequency=_checkpoint_every(settings)
    )


def _predictor_setting(predictor: str | Path, searcher: str) -> str:
    """A checkpoint by its whole path, so that the run can be continued from anywhere; names as they are."""
    if not isinstance(predictor, str | Path):
        raise RunError(f"predictor is a name or the path of a checkpoint, not {predictor!r}.")
    if predictor in ("default", "cost", *BUNDLED) or searcher == "predictor":
        return str(predictor)
    return str(Path(predictor).expanduser().resolve())


def _trial_id(trial: Any) -> str:
    """Name of a trial's folder: architecture strings would be cut, and are in its params.json.

    Tune's files name this function: it must stay where it is for runs to be continued.
    """
    return str(trial.trial_id)


def _settings_of(run: RunFolder) -> RunSettings:
    settings = RunSettings.read(run)
    assert settings is not None, "the folder is one of a run"
    return settings


def _task_of(settings: RunSettings, run: RunFolder, task: Task | None) -> Task:
    """The task of a run, or the one given, which must have its name."""
    if task is None:
        return settings.find_task(run)
    if task.name != settings.task:
        raise RunError(f"{run} is a search for task {settings.task!r}, not {task.name!r}.")
    return task


def _of_space(trials: list[TrialFiles], settings: RunSettings) -> list[TrialFiles]:
    """Keep the trials whose architecture is of the run's space: another one can only be damage."""
    space = get_space(settings.space)
    return [trial for trial in trials if trial.arch in space]


def _distinct(trials: list[TrialFiles]) -> list[TrialFiles]:
    """One trial for each architecture: a kill may leave two of the same, of which the one that did not fail counts."""
    chosen: dict[str, TrialFiles] = {}
    for trial in sorted(trials, key=lambda trial: trial.failed):
        chosen.setdefault(trial.arch, trial)
    return list(chosen.values())
