"""A zero-cost proxy on a task as a function of architectures, for searchers and for workers that score tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mpnas_ray.spaces import Architectures
from trainables.data_options import DataOptions, scheme_of
from trainables.proxies.registry import get_proxy
from trainables.proxies.scoring import Inputs, Probe, ProxySettings, score_archs, task_probe
from trainables.tasks.core.task import get_task
from trainables.training.data import PreparedData

__all__ = ["ZeroCostScore", "one_thread"]


@dataclass(frozen=True)
class ZeroCostScore:
    """A proxy on a task, as a function of architectures.

    Attributes:
        task: Name of the task (`trainables.get_task`), which the process must know.
        proxy: Name of the proxy (`trainables.proxies`).
        preset: Sizes of the networks; see `ProxySettings`, as for the next three.
        batch_size: Samples of the one batch.
        seed: Seed of weights and batch.
        inputs: ``task`` or ``random``.
        data_dir: Folder of the user's data files; the task's own folder if None.
        device: Device to compute on.
        options: Options of a task that is made of files; the defaults if None.
    """

    task: str
    proxy: str
    preset: str = "small"
    batch_size: int = 32
    seed: int = 0
    inputs: Inputs = "task"
    data_dir: Path | None = None
    device: str = "cpu"
    options: DataOptions | None = None

    def __call__(self, archs: Architectures) -> NDArray[np.float64]:
        """Compute scores ``[N]``: higher is better, NaN where there is none.

        The computation uses one thread, and reads the batch once a process.

        Raises:
            TaskError: If there is no such task or proxy, if the task's data are missing, or the proxy is not defined
                for it.
        """
        with one_thread():
            return score_archs(get_proxy(self.proxy), archs, self.probe, self.settings)

    @property
    def settings(self) -> ProxySettings:
        """Settings that values depend on besides task and proxy."""
        return ProxySettings(self.preset, self.batch_size, self.seed, self.inputs)

    @property
    def probe(self) -> Probe:
        """The batch and the loss that networks are scored on."""
        return _probe(self.task, self.options, self.settings, self.data_dir, self.device)


@lru_cache(maxsize=8)
def _probe(
    task_name: str, options: DataOptions | None, settings: ProxySettings, data_dir: Path | None, device: str
) -> Probe:
    task = get_task(task_name, options)
    data_in = "auto" if scheme_of(task_name) is None else "disk"  # where samples of files are: one batch is enough
    return task_probe(task, PreparedData(task, data_dir, torch.device(device), data_in=data_in), settings)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one of torch's threads, and afterwards with as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
