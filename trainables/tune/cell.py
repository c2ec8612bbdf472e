"""Train one architecture on one task, on one device, as a trainable of Tune."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from ray import tune

from mpnas_ray.errors import TaskError
from trainables.networks.named import network_name
from trainables.tasks.core.task import Task
from trainables.training.data import PreparedData
from trainables.training.loop import Training
from trainables.tune.latency import measured_latency
from trainables.tune.storage_retries import patiently
from trainables.tune.time_limit import killed_after
from trainables.tune.trial import (
    EarlierTraining,
    EpochTraining,
    build_training,
    check_config,
    device_of,
    note_start,
    prepare_data,
    read_checkpoint,
    run_epoch,
    task_of,
    write_checkpoint,
)
from trainables.tune.trial_storage import number_checkpoints_after, remembered_epoch, storage_of

__all__ = ["CellTrainable"]

_logger = logging.getLogger(__name__)


class CellTrainable(tune.Trainable):
    """Trains the network that its config names, an epoch a step, and ends by itself after the last.

    Config, all plain values:
        arch: Architecture string of any space.
        model: Name of a network to compare with (`trainables.networks.baselines`), in place of ``arch``.
        task: Name of a task (`get_task`).
        preset: Sizes of the network, ``paper`` or ``small``. Default ``paper``.
        epochs, batch_size, optimizer, learning_rate, weight_decay, schedule, ema, patience: Values in place of those of
            the task's `Recipe`.
        seed: Seed of weights and batches. Default 0.
        weights: Folder or URI of a checkpoint of `SupernetTrainable` of the same task and preset, from whose weights
            the network of an architecture starts. Default: random weights.
        data_dir: Folder of the user's data files. Default: the task's own folder.
        data_in: ``memory`` of the device, or ``disk``, from which batches are read. Default ``auto``: on disk where the
            data would take more than half of the memory that goes with the trial's share of its node or GPU.
        device: Default: the GPU that Ray gave to the trial, else the CPU.
        num_threads: Number of torch's threads on the CPU. Default 1, so that trials side by side do not slow each other
            down.
        precision: ``float32`` or ``bfloat16``. Default: see `trainables.training.loop.Training`.
        compile: Whether `torch.compile` makes the network faster. Default False.
        time_limit_s: Seconds of training after which the trial ends with what it has. An epoch, or the loading of the
            data, that takes as long by itself hangs: the process is killed. Default: none.
        measure_latency: Whether to measure the latency of the network after its last epoch. Default False.
        latency_batch: Number of samples of the batch whose latency is measured. Default 1.

    Reports after each epoch ``validation_<metric>``, ``train_loss``, ``epoch``, ``seconds`` (training and validation),
    ``training_seconds`` (those of all epochs), ``samples_per_second`` (training), ``parameters``, and ``data_in``, the
    place of the data. A loss that is not finite ends the trial with a metric of NaN. With ``patience``, the metric is
    that of the best epoch so far, and there are ``best_epoch`` and ``epoch_<metric>`` beside it; a trial that ends by
    it has the ``training_iteration`` of a whole training. The last report also has ``latency_ms``, ``latency_batch``,
    ``latency_threads`` and ``latency_device`` if ``measure_latency`` is set: the median of 30 passes after 5, on the
    trial's device, one trial of a node at a time. A trial that a scheduler stops has no such report.

    Checkpoints hold all that the next epoch depends on. Actors can be reused: the data stay loaded from trial to trial.
    A training that was done already is not repeated: its last result is reported once more, with 0 ``seconds``.

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
            config: Entries as described for the class.
            task: Task in place of the one that the config names.
            earlier: Trainings to go on from rather than to begin, by architecture string or name of a network.

        Raises:
            TaskError: If an entry of the config is wrong, or the task's data are.
        """
        check_config(config)
        torch.set_num_threads(int(config.get("num_threads", 1)))
        self._given_task = task
        self._earlier = earlier or {}
        with killed_after(config.get("time_limit_s")):
            self._build(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take over another trial's config."""
        check_config(new_config)
        with killed_after(new_config.get("time_limit_s")):
            self._build(new_config)
        return True

    def _build(self, config: dict[str, Any]) -> None:
        storage = storage_of(self)
        note_start(storage, config)
        self._config = dict(config)
        self._begin()
        earlier = self._earlier.get(network_name(config))
        if earlier is not None:
            try:
                patiently(partial(self._begin_from, earlier), f"read {earlier.checkpoint}")
                self._ended = earlier.ended
            except TaskError as error:
                self._begin_anew(error)
            if storage is not None:
                number_checkpoints_after(storage, earlier.checkpoint)

    def _begin(self) -> None:
        task = task_of(self._config, self._given_task)
        self._training = self._make_training(task, self._data(task, self._config))
        self._result: dict[str, Any] = {}
        self._ended = False

    def _make_training(self, task: Task, data: PreparedData) -> EpochTraining:
        return build_training(self._config, task, data)

    def _begin_anew(self, error: TaskError) -> None:
        _logger.warning("%s This training begins anew: %s", error, network_name(self._config))
        self._begin()

    def _begin_from(self, earlier: EarlierTraining) -> None:
        with tune.Checkpoint(earlier.checkpoint).as_directory() as checkpoint_dir:
            self.load_checkpoint(checkpoint_dir)

    def _data(self, task: Task, config: dict[str, Any]) -> PreparedData:
        key = (task.name, config.get("data_dir"), config.get("data_in"), device_of(config))
        if self._prepared is None or self._prepared[0] != key:
            self._prepared = (key, prepare_data(task, config))
        return self._prepared[1]

    def step(self) -> dict[str, Any]:
        """Train one epoch, or report the result of a training that has ended once more."""
        if self._result and (self._ended or self._result["done"]):
            self._measure_latency()
            return {**self._result, "seconds": 0.0, "done": True}
        time_limit_s = self._config.get("time_limit_s")
        with killed_after(time_limit_s):
            self._result = run_epoch(self._training, self._result, time_limit_s)
        self._measure_latency()
        return self._result

    def _measure_latency(self) -> None:
        if isinstance(self._training, Training):  # a supernet has no latency of its own
            self._result = measured_latency(self._config, self._training, self._result)

    def save(self, checkpoint_dir: str | None = None) -> Any:
        """Save as Tune does, but wait for storage that fails, which would fail the trial."""
        return patiently(lambda: tune.Trainable.save(self, checkpoint_dir), f"save trial {self.trial_id}")

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Save what the next epoch depends on, and the last result (`trainables.tune.trial`)."""
        write_checkpoint(checkpoint_dir, self._training, self._config, self._result)

    def load_checkpoint(self, checkpoint: dict[str, Any] | str | None) -> None:
        """Continue as if the trial had not stopped."""
        if not isinstance(checkpoint, str | Path):
            raise TaskError(f"A checkpoint is a folder, not a {type(checkpoint).__name__}.")
        self._result = read_checkpoint(str(checkpoint), self._training)
        self._ended = False

    def restore(self, checkpoint_path: Any) -> None:
        """Restore a checkpoint that Tune remembers, unless this training began from one at least as new.

        The checkpoint may be deleted by then, since Tune's snapshots are older than the newest checkpoints.
        """
        if self._training.epoch == 0 or remembered_epoch(checkpoint_path) > self._training.epoch:
            try:
                patiently(lambda: tune.Trainable.restore(self, checkpoint_path), f"restore trial {self.trial_id}")
            except TaskError as error:
                self._begin_anew(error)
