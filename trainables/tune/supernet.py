"""Train a supernet on one task, on one device, as a trainable of Tune."""

from __future__ import annotations

import resource
import sys
from typing import Any

import torch

from trainables.oneshot.training import build_supernet
from trainables.tasks.core.task import Task
from trainables.training.data import PreparedData
from trainables.tune.cell import CellTrainable
from trainables.tune.trial import EpochTraining, device_of

__all__ = ["SupernetTrainable"]


class SupernetTrainable(CellTrainable):
    """Trains a supernet by a one-shot method, an epoch a step, and ends by itself after the last.

    Config, all plain values:
        model: Name of the supernet among those of a run, such as ``darts.0``.
        method: Name of a one-shot method.
        space: Name of a search space.
        family: Family of the mixed space to which to limit the search. Default: all.
        protocol: ``short`` or ``authors``: the settings that the following ones are in place of. Default ``short``.
        epochs, batch_size, and the other fields of `trainables.oneshot.Settings`: Values in place of the protocol's.
        task, preset, seed, data_dir, device, num_threads, time_limit_s: See `CellTrainable`.

    Reports after each epoch ``arch``, the architecture chosen now, and its ``validation_<metric>`` with the shared
    weights; ``num_skips``, ``train_loss``, ``epoch``, ``seconds``, ``training_seconds``, ``parameters`` and
    ``peak_bytes``: the most memory in use so far, of a GPU's what tensors took, on the CPU that of the process. Methods
    with logits report ``entropy`` and ``weights``, those that watch it ``curvature``; ``stopped`` says why a search
    ended early.

    Checkpoints hold all that the next epoch depends on. Actors can be reused: the data stay loaded from trial to trial.

    Example:
        >>> space = {"task": "digits", "space": "nasbench201", "method": tune.grid_search(["darts", "gdas"])}
        >>> tuner = tune.Tuner(SupernetTrainable, param_space={"model": "mine", "preset": "small", **space})
    """

    def _make_training(self, task: Task, data: PreparedData) -> EpochTraining:
        device = device_of(self._config)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        return build_supernet(self._config, task, data)

    def step(self) -> dict[str, Any]:
        """Train one epoch, or report the result of a training that has ended once more."""
        self._result = {**super().step(), "peak_bytes": _peak_bytes(device_of(self._config))}
        return self._result


def _peak_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
