"""The parts of a trial that do not depend on its number of workers: its config, its epochs and its checkpoints."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from mpnas_ray.checks import (
    require_bool,
    require_count,
    require_instance,
    require_number,
    require_one_of,
    require_seed,
    require_text,
)
from mpnas_ray.errors import TaskError
from mpnas_ray.files.json_records import parse_json
from trainables.data_options import DATA_IN
from trainables.networks.named import network_name
from trainables.networks.saved import FoundNetwork, NetworkCard
from trainables.tasks.core.task import Task, get_task
from trainables.training.data import PreparedData
from trainables.training.loop import Training, recipe_of
from trainables.training.workers import Workers
from trainables.tune.checkpoint_files import RECORD_FILE, START_FILE, WEIGHTS_FILE
from trainables.tune.latency import check_latency
from trainables.tune.memory import memory_of_trial
from trainables.tune.saved_supernet import read_inherited
from trainables.tune.trial_storage import write_into_trial

__all__ = [
    "EarlierTraining",
    "EpochTraining",
    "build_training",
    "check_config",
    "device_of",
    "note_start",
    "prepare_data",
    "read_checkpoint",
    "run_epoch",
    "score_test",
    "task_of",
    "write_checkpoint",
]


class EpochTraining(Protocol):
    """An interface to what a trial trains: a `Training`, or another one that goes on epoch by epoch."""

    epoch: int

    @property
    def finished(self) -> bool:
        """True once there is no further epoch."""
        ...

    @property
    def num_epochs(self) -> int:
        """Epochs of a whole training."""
        ...

    @property
    def data_in(self) -> str:
        """Place of the data: ``memory`` or ``disk``."""
        ...

    @property
    def num_parameters(self) -> int:
        """Number of trainable parameters."""
        ...

    def run_epoch(self) -> Mapping[str, Any]:
        """Train for one epoch; the result has at least ``train_loss``, ``epoch`` and ``seconds``."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next epoch depends on."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict`."""
        ...


@dataclass(frozen=True)
class EarlierTraining:
    """The training of an architecture, as far as it got before the run was stopped, or in another run.

    Attributes:
        checkpoint: Folder or URI of its newest checkpoint.
        epoch: Epoch of that checkpoint.
        ended: Whether nothing more is to be trained, e.g. because a scheduler stopped the trial there.
    """

    checkpoint: str
    epoch: int
    ended: bool = False

    def __post_init__(self) -> None:
        require_text("checkpoint", self.checkpoint, error=TaskError)
        require_count("epoch", self.epoch, 0, error=TaskError)
        require_bool("ended", self.ended, error=TaskError)


def check_config(config: Mapping[str, Any]) -> None:
    """Refuse a config with entries of a wrong type or range, by what `trainables.CellTrainable` says of them.

    Entries that the recipe, the task and the network check themselves are left to them.

    Raises:
        TaskError: Naming the entry.
    """
    require_count('config["num_threads"]', config.get("num_threads", 1), error=TaskError)
    require_seed('config["seed"]', config.get("seed", 0), error=TaskError)
    require_bool('config["compile"]', config.get("compile", False), error=TaskError)
    check_latency(config)
    if config.get("time_limit_s") is not None:
        require_number('config["time_limit_s"]', config["time_limit_s"], above=0, error=TaskError)
    require_one_of('config["data_in"]', config.get("data_in", "auto"), DATA_IN, error=TaskError)
    if config.get("weights") is not None:
        require_text('config["weights"]', config["weights"], error=TaskError)
    if not isinstance(config.get("data_dir"), str | Path | None):
        raise TaskError(f'config["data_dir"] must be the path of a folder, not {config["data_dir"]!r}.')


def task_of(config: Mapping[str, Any], given: Task | None) -> Task:
    """Return the task given, or the one that a config names.

    Raises:
        TaskError: If there is none.
    """
    if given is not None:
        require_instance("task", given, Task, error=TaskError)
    elif "task" not in config:
        raise TaskError('config["task"] is missing: put the name of a task there.')
    else:
        require_text('config["task"]', config["task"], error=TaskError)
    return given or get_task(config["task"])


def device_of(config: Mapping[str, Any]) -> torch.device:
    """Return the device that a config names, else the GPU that Ray gave to this process, else the CPU.

    Raises:
        TaskError: If torch knows no such device.
    """
    try:
        return torch.device(config.get("device") or ("cuda" if torch.cuda.is_available() else "cpu"))
    except (RuntimeError, TypeError) as error:
        raise TaskError(f'config["device"] must be a device of torch, such as "cpu" or "cuda": {error}') from error


def prepare_data(task: Task, config: Mapping[str, Any]) -> PreparedData:
    """Load the task's data for the config's device: into its memory, or for reading from disk."""
    data_dir, device = config.get("data_dir"), device_of(config)
    return PreparedData(
        task,
        Path(data_dir) if data_dir else None,
        device,
        data_in=config.get("data_in", "auto"),
        memory=memory_of_trial(device),
    )


def build_training(
    config: Mapping[str, Any], task: Task, data: PreparedData, workers: Workers | None = None
) -> Training:
    """Build the training that a config describes, before its first epoch."""
    name, preset, supernet = network_name(config), config.get("preset", "paper"), config.get("weights")
    return Training(
        name,
        task,
        data,
        preset=preset,
        recipe=recipe_of(task, config),
        seed=int(config.get("seed", 0)),
        precision=config.get("precision"),
        compiled=config.get("compile", False),
        workers=workers,
        weights=None if supernet is None else read_inherited(supernet, name, task, preset),
    )


def note_start(storage: Any | None, config: Mapping[str, Any]) -> None:
    """Write the config into the trial's folder, so that it is known what was under way if everything is killed.

    Args:
        storage: Tune's storage context of the trial; None outside of Tune, where nothing is written.
        config: Config of the trial.
    """
    if storage is not None:
        write_into_trial(storage, START_FILE, json.dumps(dict(config), default=_plain).encode())


def run_epoch(training: EpochTraining, before: Mapping[str, Any], time_limit_s: float | None = None) -> dict[str, Any]:
    """Train one epoch and return the trial's result after it.

    Args:
        training: Training that is not finished yet.
        before: The trial's result before; empty in the beginning.
        time_limit_s: Seconds of training and validation after which no further epoch is begun.
    """
    result = dict(training.run_epoch())
    result["training_seconds"] = before.get("training_seconds", 0.0) + result["seconds"]
    # Tune's own count knows only what this trial trained; a training that ended by its patience is a whole one.
    result["training_iteration"] = training.num_epochs if training.finished else training.epoch
    result["parameters"] = training.num_parameters
    result["data_in"] = training.data_in
    out_of_time = time_limit_s is not None and result["training_seconds"] >= time_limit_s
    result["done"] = training.finished or out_of_time or not math.isfinite(result["train_loss"])
    return result


def write_checkpoint(
    folder: str, training: EpochTraining, config: Mapping[str, Any], result: Mapping[str, Any]
) -> None:
    """Save what the next epoch depends on, tensors and plain values in one file, and the last result beside it."""
    weights = Path(folder) / WEIGHTS_FILE
    torch.save(training.state_dict(), weights)
    record = {"config": config, "result": result, "bytes": weights.stat().st_size}
    (Path(folder) / RECORD_FILE).write_text(json.dumps(record, default=_plain), encoding="utf-8")


def read_checkpoint(folder: str, training: EpochTraining) -> dict[str, Any]:
    """Load a checkpoint into a training and return the trial's result at that epoch.

    Raises:
        TaskError: If the checkpoint is damaged or of another network; the training is then of no further use.
        OSError: If it cannot be read.
    """
    try:
        training.load_state_dict(torch.load(Path(folder) / WEIGHTS_FILE, weights_only=True, map_location="cpu"))
        record = Path(folder) / RECORD_FILE  # older checkpoints have none
        return dict(parse_json(record.read_bytes())["result"]) if record.exists() else {}
    except (OSError, TaskError):
        raise
    except Exception as error:  # torch raises many kinds for a damaged file
        lines = str(error).strip().splitlines() or [""]
        raise TaskError(f"The checkpoint {folder} is damaged ({type(error).__name__}: {lines[0][:200]}).") from error


def score_test(
    config: Mapping[str, Any], task: Task, checkpoint_dir: str, known: Mapping[str, float] | None = None
) -> FoundNetwork:
    """Return the network of a finished trial with its validation and test score.

    No other function computes a test score.

    Args:
        config: Config of the trial.
        task: Task of the trial.
        checkpoint_dir: Folder of its last checkpoint.
        known: Scores that were computed before; None to compute them.

    Returns:
        The network on the CPU; its card holds ``validation_<metric>`` and ``test_<metric>``.
    """
    data = prepare_data(task, config)
    training = build_training({**config, "weights": None}, task, data)
    read_checkpoint(checkpoint_dir, training)
    parts = ("validation", "test")
    scores = dict(known) if known else {f"{part}_{task.metric.name}": training.score(part) for part in parts}
    card = NetworkCard(
        arch=network_name(config),
        task=task.name,
        encoded_shape=data.encoded_shape,
        num_outputs=task.num_outputs,
        dense=task.dense,
        preset=config.get("preset", "paper"),
        coordinates=task.coordinates,
        scores=scores,
        classes=task.classes,
    )
    return FoundNetwork(data.encoder, training.kept, data.decoder, card).eval().cpu()


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold in place of one that it cannot: Tune draws some values as numpy scalars."""
    return value.item() if hasattr(value, "item") else str(value)
