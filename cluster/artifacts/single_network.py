"""Train one network, a known one or one found, as a trial of a search is trained: ``mpnas train``."""

from __future__ import annotations

import json
import logging
import math
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import torch
from ray import tune

from cluster.ray.addresses import check_ray
from cluster.ray.connection import connected, most_concurrent
from cluster.ray.memory_deaths import memory_deaths_survived
from cluster.ray.resources import Resources, check_cpus, check_gpus
from cluster.run.best_network import network_problem
from cluster.run.finish import error_file, score_on_cluster
from cluster.run.report import REPORT_FILE, read_report
from cluster.run.trials import prepare_tune
from cluster.storage.lock import locked
from cluster.storage.run_folder import RunFolder
from cluster.storage.shared_storage import check_shared
from cluster.storage.trial_files import MAX_FAILURES, read_trials
from mpnas_ray.checks import MOST_SEED, require_number, require_seed
from mpnas_ray.errors import RunError, RunInterruptedError
from mpnas_ray.spaces import SPACE_NAMES
from trainables import CellTrainable, Task, build_network, get_task
from trainables.networks import save_network
from trainables.networks.baselines import build_baseline
from trainables.networks.baselines.dash import chosen_candidates
from trainables.networks.named import check_name, network_name
from trainables.networks.network import get_macro
from trainables.tasks.core.cache import check_data_dir
from trainables.tasks.core.task import Recipe, TaskData
from trainables.tasks.sources.task_of_files import FilesOfTask
from trainables.training.loop import check_batches, recipe_of
from trainables.user_code import failure_in_text

__all__ = ["BaselineReport", "run_baseline"]

_SETTINGS = "baseline.json"
_logger = logging.getLogger(__name__)

_NUM_LOOKS = 20
"""How often a training is saved, and told of."""


@dataclass(frozen=True)
class BaselineReport:
    """Facts of a finished training.

    Attributes:
        task: Name of the task.
        model: Name of the network.
        seed: Seed of the training.
        epochs: Its length.
        metric: Name of the metric, without ``validation_``.
        mode: ``min`` or ``max``.
        validation: Score after the last epoch.
        test: The same network's test score, computed once.
        parameters: Trainable ones.
        training_seconds: Validation included, all sessions of the run added up.
        wall_seconds: Seconds of the last session.
        folder: Folder of the run.
        chosen: Choices of a search by DASH for each convolution, first layer first; empty for other networks.
    """

    task: str
    model: str
    seed: int
    epochs: int
    metric: str
    mode: str
    validation: float
    test: float
    parameters: int
    training_seconds: float
    wall_seconds: float
    folder: str
    chosen: list[str]

    @property
    def network(self) -> str:
        """Folder of the network, for `trainables.load_network`."""
        return f"{self.folder}/best"

    def to_json(self) -> str:
        """Write all fields as JSON."""
        return json.dumps(asdict(self), indent=2) + "\n"

    def __str__(self) -> str:
        """Write it for people."""
        text = f"""
{self.model} on {self.task}, {self.epochs} epochs:

    validation {self.metric}   {self.validation:.5f}
    test {self.metric}         {self.test:.5f}   (computed once, after the training)
    parameters   {self.parameters:,}

{self.training_seconds:.0f} s of training. Everything is in {self.folder}
"""
        if not self.chosen:
            return text
        backbone = "resnet-1d" if len(self.chosen) == 9 else "wrn-16-4"
        return f"""{text}
To train what was chosen from the beginning{" (or with dash-wrn-16-1)" if backbone == "wrn-16-4" else ""}:

    mpnas train --task {self.task} --model dash-{backbone}:{",".join(self.chosen)}
"""


def run_baseline(
    task: str | Task,
    model: str,
    *,
    preset: str = "paper",
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    cpus_per_trial: float = 1.0,
    gpus_per_trial: float = 0.0,
    storage: str | Path = "runs",
    name: str | None = None,
    seed: int = 0,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> BaselineReport:
    """Train one network by the task's recipe, score it on the test part, and save it.

    A run of the same name and settings goes on from its last checkpoint; one that is complete gives its report again.

    Args:
        task: A task or its name (`trainables.get_task`).
        model: Name of a network (`trainables.networks.baselines`), or an architecture string.
        preset: Sizes of the network of an architecture; the others have sizes of their own.
        epochs: Epochs instead of those of the recipe, as the next three.
        batch_size: Samples a step.
        learning_rate: Learning rate of the recipe's schedule.
        weight_decay: Weight decay of the recipe's optimiser.
        cpus_per_trial: CPU cores to set aside.
        gpus_per_trial: GPUs to set aside.
        storage: Folder or URI that all nodes of the cluster reach; the run is a folder in it.
        name: Name of the run; made of task, model and time if None.
        seed: Seed of weights, batches and dropout.
        data_dir: Folder of the user's data files; the task's own place if None.
        progress: Print a line now and then.

    Raises:
        MPNASError: If something was asked for that cannot be; each message says what.
        RunInterruptedError: After Ctrl-C; call again with the same name to go on.
    """
    require_seed("seed", seed, error=RunError)
    require_number("cpus_per_trial", cpus_per_trial, above=0, error=RunError)
    require_number("gpus_per_trial", gpus_per_trial, at_least=0, error=RunError)
    task = task if isinstance(task, Task) else get_task(task)
    head = model.partition(":")[0]
    named: dict[str, Any] = {"arch": model, "preset": preset} if head in SPACE_NAMES else {"model": model}
    config: dict[str, Any] = {"task": task.name, **named, "epochs": task.recipe.epochs}
    config["seed"] = require_seed("seed", seed, at_most=MOST_SEED, error=RunError)
    chosen = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "weight_decay": weight_decay}
    for key, value in chosen.items():
        if value is not None:
            if key == "weight_decay":
                require_number(key, value, at_least=0, error=RunError)
            else:
                require_number(key, value, above=0, error=RunError)
            config[key] = value
    recipe = recipe_of(task, config)
    config.update({key: getattr(recipe, key) for key in chosen if key in config})  # plain values
    resources = {
        "CPU": check_cpus("cpus_per_trial", cpus_per_trial),
        "GPU": check_gpus("gpus_per_trial", gpus_per_trial),
    }
    get_macro(preset)
    check_name(model)
    data_path = check_data_dir(data_dir)
    own_name = f"{task.name}-{head}-{datetime.now():%Y-%m-%d_%H-%M-%S}"
    folder = RunFolder(str(storage), own_name if name is None else name)
    with folder.taken_away_if_refused():
        return _train(config, recipe, task, data_path, folder, resources, progress)


def _train(
    config: dict[str, Any],
    recipe: Recipe,
    task: Task,
    data_path: Path | None,
    folder: RunFolder,
    resources: Resources,
    progress: bool,
) -> BaselineReport:
    """Train what is left to train in a folder, and report."""
    settings = {**config, **_options_of_files(task)}
    _check_same(settings, folder)
    report = read_report(folder, BaselineReport)
    problem = None if report is None else network_problem(report.network)
    if report is not None and problem is None:
        return report
    if problem is not None:
        _logger.warning("%s It is made again.", problem)
    check_ray()  # before what may take minutes
    data = task.load_checked(data_path)
    check_batches(task.name, recipe, len(data.train))
    _check_shape(config, task, data)
    places = {"data_dir": str(data_path)} if data_path else {}
    with locked(folder), connected():
        check_shared(folder)
        most_concurrent(resources)
        folder.write(_SETTINGS, json.dumps(settings, indent=2) + "\n")
        start = time.time()
        tuner = _tuner({**config, **places}, task, folder, resources, progress)
        with memory_deaths_survived():
            results = tuner.fit()
        return _finish(results, config, task, folder, resources, start)


def _options_of_files(task: Task) -> dict[str, Any]:
    """Options of a task that is made of files, in JSON's values: without them, its data are others."""
    if not isinstance(task.load, FilesOfTask):
        return {}
    options: dict[str, Any] = json.loads(json.dumps(asdict(task.load.options)))
    return {"data_options": options}


def _check_same(config: dict[str, Any], folder: RunFolder) -> None:
    earlier = folder.read_json(_SETTINGS)
    if earlier is None and not folder.is_empty():
        raise RunError(f"{folder} holds something else than the training of a baseline: choose another --name.")
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
) -> BaselineReport:
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
    report = BaselineReport(
        task=task.name,
        model=network_name(config),
        seed=config["seed"],
        epochs=config["epochs"],
        metric=task.metric.name,
        mode=task.metric.mode,
        validation=metrics[task.metric_key],
        test=network.card.scores[f"test_{task.metric.name}"],
        parameters=metrics["parameters"],
        training_seconds=metrics["training_seconds"],
        wall_seconds=wall_seconds,
        folder=folder.shown,
        chosen=[str(candidate) for candidate in chosen_candidates(network)],
    )
    folder.write(REPORT_FILE, report.to_json())
    return report


class _Progress(tune.Callback):
    """A line for every twentieth of the epochs."""

    def __init__(self, metric: str, epochs: int) -> None:
        self._metric, self._epochs = metric, epochs

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        epoch = result["epoch"]
        if epoch % max(1, self._epochs // _NUM_LOOKS) == 0 or epoch == self._epochs:
            left = timedelta(seconds=round(result["training_seconds"] / epoch * (self._epochs - epoch)))
            print(
                f"[{epoch:{len(str(self._epochs))}}/{self._epochs}] {self._metric} {result[self._metric]:.5f}, "
                f"train loss {result['train_loss']:.5f}, {str(left).removeprefix('0:')} left",
                flush=True,
            )
