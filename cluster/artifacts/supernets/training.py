"""Train supernets on Ray, each in a trial: ``mpnas supernet``."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from ray import tune

from cluster.artifacts.supernets.config import SupernetConfig
from cluster.artifacts.supernets.page import supernet_page
from cluster.artifacts.supernets.report import SupernetReport, TrainedSupernet, epochs_of
from cluster.durations import time_left
from cluster.ray.addresses import check_ray
from cluster.ray.connection import connected, most_concurrent
from cluster.ray.memory_deaths import memory_deaths_survived
from cluster.ray.resources import Resources
from cluster.run.assemble.supernet_score import SUPERNETS_FILE
from cluster.run.finish import error_file
from cluster.run.trials import prepare_tune, trial_id
from cluster.storage.lock import locked
from cluster.storage.run_folder import RunFolder
from cluster.storage.shared_storage import check_shared
from cluster.storage.trial_files import MAX_FAILURES, newest_trainings, read_trials
from mpnas_ray.errors import RunError, RunInterruptedError
from trainables import SupernetTrainable, Task, get_task
from trainables.data_options import DataOptions
from trainables.oneshot.training import build_supernet
from trainables.tasks.core.cache import check_data_dir
from trainables.training.data import PreparedData
from trainables.tune.trial import EarlierTraining
from trainables.user_code import failure_in_text

__all__ = ["train_supernets"]

_REPORT_FILE, _PAGE_FILE = "report.json", "report.html"

_NUM_LOOKS = 20
"""Number of times that a supernet is saved, and that its progress is printed."""


def train_supernets(config: SupernetConfig, *, task: Task | None = None, progress: bool = True) -> SupernetReport:
    """Train supernets side by side, each of a method and a seed, as ``mpnas supernet`` does.

    A run of the same name goes on from the last checkpoints. Methods and seeds may be added to it; the other settings
    must be the same.

    Args:
        config: The run; `SupernetConfig` describes every field.
        task: Task that only this program knows of, in place of the config's.
        progress: Print a line for every twentieth of the epochs of each supernet.

    Raises:
        MPNASError: If a name, number or file is wrong, or a method does not fit the space; the message says which.
        RunError: If a supernet failed; the others are kept.
        RunInterruptedError: After Ctrl-C; call again with the same name to go on.
    """
    task = get_task(config.task, DataOptions.of(config)) if task is None else task
    data_path = check_data_dir(config.data_dir)
    own_name = f"{task.name}-{config.space}-supernets-{datetime.now():%Y-%m-%d_%H-%M-%S}"
    folder = RunFolder(str(config.storage), own_name if config.name is None else config.name)
    with folder.taken_away_if_refused():
        settings = _settings(config, task, folder)
        _check(config, task, data_path)
        check_ray()
        with locked(folder), connected():
            check_shared(folder)
            resources = {"CPU": config.cpus_per_trial, "GPU": config.gpus_per_trial}
            most_concurrent(resources)
            folder.write(SUPERNETS_FILE, json.dumps(settings, indent=2) + "\n")
            earlier = newest_trainings(read_trials(folder))
            missing = [each for each in settings["supernets"] if not _has_ended(earlier.get(each["model"]))]
            if missing:
                constants = {**settings["constants"], **({"data_dir": str(data_path)} if data_path else {})}
                _run(missing, constants, task, folder, resources, earlier, progress)
        return _report(settings, task, folder)


def _has_ended(training: EarlierTraining | None) -> bool:
    return training is not None and training.ended


def _settings(config: SupernetConfig, task: Task, folder: RunFolder) -> dict[str, Any]:
    """Return the settings of the run with all its supernets, those of earlier calls first.

    Raises:
        RunError: If the folder holds something else, or supernets with other settings.
    """
    constants: dict[str, Any] = json.loads(json.dumps({"task": task.name, **config.constants}))
    if asdict(DataOptions.of(config)) != asdict(DataOptions()):
        constants["data_options"] = json.loads(json.dumps(asdict(DataOptions.of(config))))
    earlier = folder.read_json(SUPERNETS_FILE)
    if earlier is None and not folder.is_empty():
        raise RunError(f"{folder} holds something else than supernets: choose another --name.")
    if earlier is not None and earlier["constants"] != constants:
        before = earlier["constants"]
        differences = [
            f"{key} {before.get(key)!r}"
            for key in sorted({*constants, *before})
            if before.get(key) != constants.get(key)
        ]
        raise RunError(
            f"The run {folder} was started with {', '.join(differences)}: use the same to continue it, or another "
            f"--name."
        )
    known = [] if earlier is None else earlier["supernets"]
    return {"constants": constants, "supernets": [*known, *(each for each in config.supernets if each not in known)]}


def _check(config: SupernetConfig, task: Task, data_path: Path | None) -> None:
    """Build a supernet of each method, so that an error is raised here and not in a worker."""
    data = PreparedData(task, data_path, torch.device("cpu"))
    for method in config.methods:
        build_supernet({**config.constants, "method": method}, task, data)


def _run(
    missing: list[dict[str, Any]],
    constants: dict[str, Any],
    task: Task,
    folder: RunFolder,
    resources: Resources,
    earlier: dict[str, EarlierTraining],
    progress: bool,
) -> None:
    """Train the supernets that have not ended.

    Raises:
        RunError: If one of them failed.
        RunInterruptedError: If they were stopped.
    """
    prepare_tune(num_samples=len(missing))
    trainable = tune.with_parameters(SupernetTrainable, task=task, earlier=earlier)
    constants.pop("data_options", None)  # the task has them
    tuner = tune.Tuner(
        tune.with_resources(trainable, resources),
        param_space={
            **constants,
            "model": tune.grid_search([each["model"] for each in missing]),
            "method": tune.sample_from(_method_of),
            "seed": tune.sample_from(_seed_of),
        },
        tune_config=tune.TuneConfig(num_samples=1, trial_dirname_creator=trial_id),
        run_config=tune.RunConfig(
            name=folder.name,
            storage_path=folder.storage,
            failure_config=tune.FailureConfig(max_failures=MAX_FAILURES),
            callbacks=[_Progress(task.metric_key)] if progress else [],
            checkpoint_config=tune.CheckpointConfig(num_to_keep=2, checkpoint_at_end=True, checkpoint_frequency=1),
            verbose=0,
        ),
    )
    with memory_deaths_survived():
        fitted = tuner.fit()
        results = [fitted[number] for number in range(len(fitted))]
    again = f"The same command with --name {folder.name} goes on from the last checkpoints."
    failed = [result for result in results if result.error is not None]
    if failed:
        name = (failed[0].config or {}).get("model")
        raise RunError(
            f"{len(failed)} of {len(missing)} supernets failed, first {name}: "
            f"{failure_in_text(str(failed[0].error))}{error_file(failed[0])}. {again}"
        )
    if any(not (result.metrics or {}).get("done") for result in results):
        raise RunInterruptedError(f"Stopped; all is saved in {folder}. {again}")


def _method_of(spec: Any) -> str:
    return str(spec.config.model).rpartition(".")[0]


def _seed_of(spec: Any) -> int:
    return int(str(spec.config.model).rpartition(".")[2])


def _report(settings: dict[str, Any], task: Task, folder: RunFolder) -> SupernetReport:
    """Report on all supernets of the run, and write the report and its page."""
    constants, names = settings["constants"], [each["model"] for each in settings["supernets"]]
    last = {trial.arch: trial.result for trial in read_trials(folder) if trial.result and trial.result.get("done")}
    family = constants.get("family")
    report = SupernetReport(
        task=task.name,
        space=constants["space"] if family is None else f"{constants['space']}:{family}",
        preset=constants["preset"],
        protocol=constants["protocol"],
        metric=task.metric.name,
        mode=task.metric.mode,
        supernets=tuple(TrainedSupernet.of(name, last[name], task.metric_key) for name in names),
        folder=folder.shown,
    )
    folder.write(_REPORT_FILE, report.to_json())
    folder.write(_PAGE_FILE, supernet_page(report, epochs_of(folder, names)))
    return report


class _Progress(tune.Callback):
    """Print a line for every twentieth of the epochs of each supernet."""

    def __init__(self, metric: str) -> None:
        self._metric = metric

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        epoch, epochs = result["epoch"], result["num_epochs"]
        if epoch % max(1, epochs // _NUM_LOOKS) == 0 or result["done"]:
            left = "" if result["done"] else f", {time_left(result['training_seconds'], epoch, epochs - epoch)} left"
            stopped = f", {result['stopped']}" if result["stopped"] else ""
            print(
                f"[{epoch:{len(str(epochs))}}/{epochs}] {trial.config['model']}: {self._metric} "
                f"{result[self._metric]:.5f} with shared weights, {result['num_skips']} skips{stopped}{left}",
                flush=True,
            )
