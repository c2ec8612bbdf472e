"""Measure the latency of a trained network, on the device and with the threads of its trial.

A latency means something only together with the device, the threads and the batch that it was measured with, so a
report names them. Trials on one node measure one after the other; other trials may train meanwhile on other cores,
which is why the median counts and not the mean.
"""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import nn

from mpnas_ray.checks import require_bool, require_count
from mpnas_ray.errors import TaskError
from trainables.training.loop import Training

__all__ = ["LATENCY", "check_latency", "latency_of", "measured_latency", "one_at_a_time"]

LATENCY = "latency_ms"
"""Name of the latency in a trial's results: milliseconds for a batch."""

_WARM_UPS, _RUNS = 5, 30
"""Passes before the first that counts, and passes whose median counts."""


def check_latency(config: Mapping[str, Any]) -> None:
    """Refuse a config whose entries on latency are of a wrong type or range.

    Raises:
        TaskError: Naming the entry.
    """
    require_bool('config["measure_latency"]', config.get("measure_latency", False), error=TaskError)
    require_count('config["latency_batch"]', config.get("latency_batch", 1), error=TaskError)


def measured_latency(config: Mapping[str, Any], training: Training, result: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial's result with the latency of its network, if the training has ended and its config asks for it.

    Args:
        config: Config of the trial: ``measure_latency``, and ``latency_batch``, the samples of a batch, 1 by default.
        training: Training of the trial, after its last epoch.
        result: Result of the trial.

    Returns:
        The result, with ``latency_ms``, ``latency_batch``, ``latency_threads`` and ``latency_device`` if measured.
    """
    if not (config.get("measure_latency") and result["done"] and LATENCY not in result):
        return dict(result)
    batch = int(config.get("latency_batch", 1))
    inputs = training.example_inputs(batch)
    with one_at_a_time():
        latency = latency_of(training.network, inputs)
    return {
        **result,
        LATENCY: latency,
        "latency_batch": batch,
        "latency_threads": torch.get_num_threads(),
        "latency_device": _name_of(inputs.device),
    }


@torch.no_grad()
def latency_of(network: nn.Module, inputs: torch.Tensor) -> float:
    """Return the milliseconds that a network takes for a batch: the median of 30 passes after 5.

    In float32, as the network is exported. On a GPU each pass is waited for.

    Args:
        network: The network; its mode is as before afterwards.
        inputs: The batch, on the network's device.
    """
    was_training = network.training
    network.eval()
    seconds = []
    try:
        for _ in range(_WARM_UPS + _RUNS):
            _wait_for(inputs.device)
            start = time.perf_counter()
            network(inputs)
            _wait_for(inputs.device)
            seconds.append(time.perf_counter() - start)
    finally:
        network.train(was_training)
    return 1e3 * statistics.median(seconds[_WARM_UPS:])


@contextmanager
def one_at_a_time(folder: Path | None = None) -> Iterator[None]:
    """Wait until no other process of this user on this node is measuring, and keep the others out meanwhile.

    The operating system gives the lock back if a process dies.

    Args:
        folder: Folder of the lock; that of temporary files if None.
    """
    place = (folder or Path(tempfile.gettempdir())) / f"mpnas-latency-{os.getuid()}.lock"
    with FileLock(place):
        yield


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _name_of(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine() or device.type
