"""The trainable that Tune runs: one architecture on one task, on one device."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ray import tune

from mpnas_ray.errors import TaskError
from trainables.networks.named import network_name
from trainables.networks.saved import FoundNetwork, NetworkCard
from trainables.tasks.task import Task, get_task
from trainables.training import PreparedData, Training, recipe_of

__all__ = ["CellTrainable", "EarlierTraining"]

WEIGHTS_FILE = "training.pt"
RECORD_FILE = "trial.json"
"""Beside the weights in a checkpoint: ``config`` and last ``result`` of its trial, and ``bytes``, the size of the other
file, by which a checkpoint whose copying was cut short is known."""


@dataclass(frozen=True)
class EarlierTraining:
    """How far the training of an architecture got before the run was stopped, or in another run.

    Attributes:
        checkpoint: Folder or URI of its newest checkpoint.
        epoch: Of that checkpoint.
        ended: Whether nothing more is to be trained, e.g. because a scheduler stopped the trial there.
    """

    checkpoint: str
    epoch: int
    ended: bool = False


class CellTrainable(tune.Trainable):
    """Trains the network that its config names, an epoch a step, and ends by itself after the last.

    Config, all plain values:
        arch: Architecture string of any space.
        model: In its place, the name of a network to compare with (`trainables.networks.baselines`).
        task: Name of a task (`get_task`).
        preset: Sizes of the network, ``paper`` or ``small``. Default ``paper``.
        epochs, batch_size, learning_rate, weight_decay: In place of the task's recipe.
        seed: Of weights and batches. Default 0.
        data_dir: Where the user's data files are. Default: the task's own place.
        device: Default: the GPU that Ray gave to the trial, else the CPU.
        num_threads: Of torch, on the CPU. Default 1, so that trials side by side do not slow each other down.
        precision: ``float32`` or ``bfloat16``. Default: see `trainables.training.Training`.
        compile: Whether `torch.compile` makes the network faster. Default False.

    Reports after each epoch ``validation_<metric>``, ``train_loss``, ``epoch``, ``seconds`` (training and validation),
    ``training_seconds`` (those of all epochs), ``samples_per_second`` (training) and ``parameters``. A loss that is not
    finite ends the trial with a metric of NaN.

    Checkpoints hold all that the next epoch depends on. Actors can be reused: the data stay loaded from trial to trial.
    A training that was done already is not done again: what it came to is reported, with 0 ``seconds``.

    Example:
        >>> tuner = tune.Tuner(CellTrainable, param_space={"task": "digits", "preset": "small"}, ...)

    A task that only the driver knows of is passed along: ``tune.with_parameters(CellTrainable, task=my_task)``.
    """

    _prepared: tuple[tuple[Any, ...], PreparedData] | None = None

    def setup(
        self, config: dict[str, Any], task: Task | None = None, earlier: Mapping[str, EarlierTraining] | None = None
    ) -> None:
        """Load the data, unless this actor has them, and build the network.

        Args:
            config: See the class.
            task: In place of the one that the config names.
            earlier: By architecture string, or name of a baseline, trainings to go on from rather than to begin.
        """
        torch.set_num_threads(int(config.get("num_threads", 1)))
        self._given_task = task
        self._earlier = earlier or {}
        self._build(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take over another trial's config."""
        self._build(new_config)
        return True

    def _build(self, config: dict[str, Any]) -> None:
        name = network_name(config)
        if self._given_task is None and "task" not in config:
            raise TaskError('config["task"] is missing: put the name of a task there.')
        task = self._given_task or get_task(config["task"])
        self._training = Training(
            name,
            task,
            self._data(task, config),
            preset=config.get("preset", "paper"),
            recipe=recipe_of(task, config),
            seed=int(config.get("seed", 0)),
            precision=config.get("precision"),
            compiled=bool(config.get("compile", False)),
        )
        self._config = dict(config)
        self._result: dict[str, Any] = {}
        self._ended = False
        earlier = self._earlier.get(name)
        if earlier is not None:
            with tune.Checkpoint(earlier.checkpoint).as_directory() as checkpoint_dir:
                self.load_checkpoint(checkpoint_dir)
            self._ended = earlier.ended
            self._number_checkpoints_after(earlier.checkpoint)

    def _number_checkpoints_after(self, checkpoint: str) -> None:
        """Tune counts on from the checkpoints it remembers: it would write into the newer one that we go on from."""
        storage, number = getattr(self, "_storage", None), checkpoint.rpartition("_")[2]
        if storage is not None and number.isdecimal():
            storage.current_checkpoint_index = max(storage.current_checkpoint_index, int(number))

    def _data(self, task: Task, config: dict[str, Any]) -> PreparedData:
        device = torch.device(config.get("device") or ("cuda" if torch.cuda.is_available() else "cpu"))
        data_dir = config.get("data_dir")
        key = (task.name, data_dir, device)
        if self._prepared is None or self._prepared[0] != key:
            self._prepared = (key, PreparedData(task, Path(data_dir) if data_dir else None, device))
        return self._prepared[1]

    def step(self) -> dict[str, Any]:
        """One epoch, or once more the result of a training that has ended."""
        if self._result and (self._ended or self._result["done"]):
            return {**self._result, "seconds": 0.0, "done": True}
        results: dict[str, Any] = self._training.run_epoch()
        results["training_seconds"] = self._result.get("training_seconds", 0.0) + results["seconds"]
        results["training_iteration"] = self._training.epoch  # Tune's own count knows only what this trial trained
        results["parameters"] = self._training.num_parameters
        results["done"] = self._training.finished or not math.isfinite(results["train_loss"])
        self._result = results
        return results

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Everything the next epoch depends on, tensors and plain values in one file, and the last result beside it."""
        weights = Path(checkpoint_dir) / WEIGHTS_FILE
        torch.save(self._training.state_dict(), weights)
        record = {"config": self._config, "result": self._result, "bytes": weights.stat().st_size}
        (Path(checkpoint_dir) / RECORD_FILE).write_text(json.dumps(record, default=_plain), encoding="utf-8")

    def load_checkpoint(self, checkpoint: dict[str, Any] | str | None) -> None:
        """Continue as if the trial had not stopped."""
        if not isinstance(checkpoint, str | Path):
            raise TaskError(f"A checkpoint is a folder, not a {type(checkpoint).__name__}.")
        state = torch.load(Path(checkpoint) / WEIGHTS_FILE, weights_only=True, map_location="cpu")
        self._training.load_state_dict(state)
        record = Path(checkpoint) / RECORD_FILE  # older checkpoints have none
        self._result = json.loads(record.read_text(encoding="utf-8"))["result"] if record.exists() else {}
        self._ended = False

    def restore(self, checkpoint_path: Any) -> None:
        """Go to a checkpoint that Tune remembers, unless this training began from one at least as new.

        What Tune remembers may be deleted by then, its snapshots being older than the newest checkpoints.
        """
        remembered = (getattr(checkpoint_path, "metrics", None) or {}).get("epoch", 0)
        if self._training.epoch == 0 or remembered > self._training.epoch:
            super().restore(checkpoint_path)


def _plain(value: Any) -> Any:
    """What JSON can hold in place of what it cannot: Tune draws some hyperparameters as numpy scalars."""
    return value.item() if hasattr(value, "item") else str(value)


def score_test(config: dict[str, Any], task: Task, checkpoint_dir: str) -> FoundNetwork:
    """The network of a finished trial with its validation and test score, the only place where a test score is
    computed.

    Args:
        config: The trial's config.
        task: Its task.
        checkpoint_dir: Folder of its last checkpoint.

    Returns:
        The network on the CPU; its card holds ``validation_<metric>`` and ``test_<metric>``.
    """
    trainable = CellTrainable.__new__(CellTrainable)  # without Tune's constructor, which makes log folders
    trainable.setup(config, task)
    trainable.load_checkpoint(checkpoint_dir)
    training, (_, data) = trainable._training, trainable._prepared or (None, None)
    assert data is not None
    scores = {f"{part}_{task.metric.name}": training.score(part) for part in ("validation", "test")}
    card = NetworkCard(
        arch=network_name(config),
        task=task.name,
        encoded_shape=data.encoded_shape,
        num_outputs=task.num_outputs,
        dense=task.dense,
        preset=config.get("preset", "paper"),
        coordinates=task.coordinates,
        scores=scores,
    )
    return FoundNetwork(data.encoder, training.network, data.decoder, card).eval().cpu()
