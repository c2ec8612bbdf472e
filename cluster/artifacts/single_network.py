"""Train one network, known or found by a search, as a trial is trained: ``mpnas train``."""

from __future__ import annotations

import json
import logging
import math
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from ray import tune

from cluster.artifacts.config import TrainingConfig
from cluster.artifacts.pages.training import SETTINGS, TrainingReport, write_training_page
from cluster.durations import time_left
from cluster.ray.addresses import check_ray
from cluster.ray.connection import connected, most_concurrent
from cluster.ray.memory_deaths import memory_deaths_survived
from cluster.ray.resources import Resources
from cluster.run.best_network import network_problem
from cluster.run.finish import error_file, score_on_cluster
from cluster.run.report import REPORT_FILE, read_report
from cluster.run.trials import prepare_tune
from cluster.storage.lock import locked
from cluster.storage.run_folder import RunFolder
from cluster.storage.shared_storage import check_shared
from cluster.storage.trial_files import MAX_FAILURES, read_trials
from mpnas_ray.errors import RunError, RunInterruptedError
from mpnas_ray.spaces import SPACE_NAMES
from trainables import CellTrainable, Task, build_network, get_task
from trainables.data_options import DataOptions
from trainables.networks import save_network
from trainables.networks.baselines import build_baseline
from trainables.networks.baselines.dash import chosen_candidates
from trainables.networks.named import check_name, network_name
from trainables.networks.network import get_macro
from trainables.tasks.core.cache import check_data_dir
from trainables.tasks.core.task import Recipe, TaskData
from trainables.tasks.sources.summary import summary
from trainables.tasks.sources.task_of_files import plain_options
from trainables.training.loop import check_batches, recipe_of
from trainables.user_code import failure_in_text

__all__ = ["TrainingReport", "train_network"]

_logger = logging.getLogger(__name__)

_NUM_LOOKS = 20
"""Number of times that a training is saved, and that its progress is printed."""


def train_network(config: TrainingConfig, *, task: Task | None = None, progress: bool = True) -> TrainingReport:
    """Train one network by the task's recipe, score it on the test part, and save it, as ``mpnas train`` does.

    A run of the same name and settings goes on from its last checkpoint; one that is complete gives its report again.

    Args:
        config: The training; `TrainingConfig` describes every field.
        task: Task that only this program knows of, in place of the config's.
        progress: Print a line for every twentieth of the epochs.

    Raises:
        MPNASError: If a name, number or file is wrong; the message says which.
        RunInterruptedError: After Ctrl-C; call again with the same name to go on.
    """
    task = get_task(config.task, DataOptions.of(config)) if task is None else task
    head = config.model.partition(":")[0]
    is_arch = head in SPACE_NAMES
    network = {"arch": config.model, "preset": config.preset} if is_arch else {"model": config.model}
    settings: dict[str, Any] = {"task": task.name, **network, "epochs": task.recipe.epochs, "seed": config.seed}
    settings |= config.recipe
    recipe = recipe_of(task, settings)
    settings |= {name: getattr(recipe, name) for name in ("epochs", *config.recipe)}  # plain values
    resources = {"CPU": config.cpus_per_trial, "GPU": config.gpus_per_trial}
    get_macro(config.preset)
    check_name(config.model)
    data_path = check_data_dir(config.data_dir)
    own_name = f"{task.name}-{head}-{datetime.now():%Y-%m-%d_%H-%M-%S}"
    folder = RunFolder(str(config.storage), own_name if config.name is None else config.name)
    with folder.taken_away_if_refused():
        places = {} if data_path is None else {"data_dir": str(data_path)}
        return _train(settings, {**places, "data_in": config.data_in}, recipe, task, folder, resources, progress)


def _train(
    config: dict[str, Any],
    places: dict[str, str],
    recipe: Recipe,
    task: Task,
    folder: RunFolder,
    resources: Resources,
    progress: bool,
) -> TrainingReport:
    """Do the rest of the training of a folder, and report; the places of the data may be others each time."""
    settings = {**config, **plain_options(task)}
    _check_same(settings, folder)
    report = read_report(folder, TrainingReport)
    problem = None if report is None else network_problem(report.network)
    if report is not None and problem is None:
        return report
    if problem is not None:
        _logger.warning("%s It is made again.", problem)
    check_ray()  # before what may take minutes
    data = task.load_checked(Path(places["data_dir"]) if "data_dir" in places else None)
    if progress and (lines := summary(task, data)):
        print(lines, flush=True)
    check_batches(task.name, recipe, len(data.train))
    _check_shape(config, task, data)
    with locked(folder), connected():
        check_shared(folder)
        most_concurrent(resources)
        folder.write(SETTINGS, json.dumps(settings, indent=2) + "\n")
        start = time.time()
        tuner = _tuner({**config, **places}, task, folder, resources, progress)
        with memory_deaths_survived():
            results = tuner.fit()
        return _finish(results, config, task, folder, resources, start)


def _check_same(config: dict[str, Any], folder: RunFolder) -> None:
    earlier = folder.read_json(SETTINGS)
    if earlier is None and not folder.is_empty():
        raise RunError(f"{folder} holds something else than a training of one network: choose another --name.")
    if earlier is not None and earlier != config:
        differences = [f"{key} {earlier.get(key)!r}" for key in sorted({*config, *earlier})]
        raise RunError(
            f"The run {folder} was started with {', '.join(differences)}: use the same to continue it, or another "
            f"--name."
        )


def _check_shape(config: dict[str, Any], task: Task, data: TaskData) -> None:
    """Build the network without its weights, so that an error is raised here and not in a worker."""
    shape = task.encoded_shape(data)
    with torch.device("meta"):
        if "arch" in config:
            build_network(config["arch"], shape, task.num_outputs, task.dense, config["preset"])
        else:
            build_baseline(config["model"], shape, task.num_outputs, task.dense)


def _tuner(config: dict[str, Any], task: Task, folder: RunFolder, resources: Resources, progress: bool) -> tune.Tuner:
    """One new trial, which goes on from the furthest checkpoint that an earlier one has left in the folder."""
    prepare_tune(num_samples=1)
    trainings = [trial.training for trial in read_trials(folder) if trial.training]
    earlier = {network_name(config): max(trainings, key=lambda training: training.epoch)} if trainings else {}
    return tune.Tuner(
        tune.with_resources(tune.with_parameters(CellTrainable, task=task, earlier=earlier), resources),
        param_space=config,
        tune_config=tune.TuneConfig(num_samples=1, trial_dirname_creator=_trial_id),
        run_config=tune.RunConfig(
            name=folder.name,
            storage_path=folder.storage,
            failure_config=tune.FailureConfig(max_failures=MAX_FAILURES),
            callbacks=[_Progress(task.metric_key, config["epochs"])] if progress else [],
            checkpoint_config=tune.CheckpointConfig(
                num_to_keep=2, checkpoint_at_end=True, checkpoint_frequency=max(1, config["epochs"] // _NUM_LOOKS)
            ),
            verbose=0,
        ),
    )


def _trial_id(trial: Any) -> str:
    """Name of the trial's folder."""
    return str(trial.trial_id)


def _finish(
    results: tune.ResultGrid,
    config: dict[str, Any],
    task: Task,
    folder: RunFolder,
    resources: Resources,
    start: float,
) -> TrainingReport:
    wall_seconds = time.time() - start
    result = results[0]
    metrics = result.metrics or {}
    again = f"The same command with --name {folder.name} goes on from the last checkpoint."
    if result.error is not None:
        raise RunError(f"The training failed: {failure_in_text(str(result.error))}{error_file(result)}. {again}")
    if not metrics.get("done") or result.checkpoint is None:
        raise RunInterruptedError(f"Stopped after epoch {metrics.get('epoch', 0)}; all is saved in {folder}. {again}")
    if not math.isfinite(metrics[task.metric_key]):
        raise RunError(
            f"The loss was not finite in epoch {metrics['epoch']}: train with a lower --learning-rate and another "
            f"--name."
        )
    network = score_on_cluster(result, result.checkpoint, task, resources)
    with tempfile.TemporaryDirectory() as local:
        save_network(Path(local), network)
        folder.upload(Path(local), "best")
    report = TrainingReport(
        task=task.name,
        model=network_name(config),
        seed=config["seed"],
        epochs=metrics["epoch"],
        metric=task.metric.name,
        mode=task.metric.mode,
        validation=metrics[task.metric_key],
        test=network.card.scores[f"test_{task.metric.name}"],
        parameters=metrics["parameters"],
        training_seconds=metrics["training_seconds"],
        wall_seconds=wall_seconds,
        folder=folder.shown,
        chosen=[str(candidate) for candidate in chosen_candidates(network)],
        data_in=metrics.get("data_in", "memory"),
    )
    folder.write(REPORT_FILE, report.to_json())
    write_training_page(folder, report)
    return report


class _Progress(tune.Callback):
    """Print a line for every twentieth of the epochs."""

    def __init__(self, metric: str, epochs: int) -> None:
        self._metric, self._epochs = metric, epochs

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        epoch = result["epoch"]
        if epoch % max(1, self._epochs // _NUM_LOOKS) == 0 or epoch == self._epochs:
            left = time_left(result["training_seconds"], epoch, self._epochs - epoch)
            print(
                f"[{epoch:{len(str(self._epochs))}}/{self._epochs}] {self._metric} {result[self._metric]:.5f}, "
                f"train loss {result['train_loss']:.5f}, {left} left",
                flush=True,
            )
