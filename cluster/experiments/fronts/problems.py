"""Problems of two objectives: a measured quality of NAS-Bench-201, and a latency or the number of parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.spaces import Architectures
from mpnas_ray.tables import TableTask
from searchers.model_based.objectives.front import front_rows
from searchers.model_based.objectives.hypervolume import hypervolume
from trainables.networks.limits import NetworkSizes

__all__ = ["PARAMETERS", "PROBLEMS", "Ground", "Problem"]

PARAMETERS = "parameters"

_SLACK = 0.1
"""Part of the true front's extent by which the reference point lies beyond its worst values."""


@dataclass(frozen=True)
class Problem:
    """A quality and a cost.

    Attributes:
        quality: Name of the task that measures the quality.
        cost: Name of the task that measures the cost; `PARAMETERS` for the number of parameters.
    """

    quality: str
    cost: str

    @property
    def name(self) -> str:
        """Short name for tables and files, e.g. ``cifar100.fpga-latency``."""
        return f"{self.quality.rpartition('/')[2]}.{self.cost.rpartition('/')[2]}"

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks that it needs."""
        return (self.quality,) if self.cost == PARAMETERS else (self.quality, self.cost)

    @property
    def short(self) -> str:
        """Name of the task that measures the quality after a short training (`mo_asha`)."""
        return f"{self.quality}@test-ep12"


_DEVICES = ("fpga", "raspi4", "pixel3", "1080ti-batch1")

PROBLEMS: tuple[Problem, ...] = tuple(
    Problem("nasbench201/cifar100", cost)
    for cost in (*(f"nasbench201/{device}-latency" for device in _DEVICES), PARAMETERS)
)


@dataclass(frozen=True, eq=False)
class Ground:
    """The truth of a problem: the objectives of every cell.

    Cells without a path from input to output are left out: their latencies are near 0 and their quality is chance.

    Attributes:
        objectives: Architecture string -> quality and minus the cost.
        reference: The worst point that counts, ``[2]``.
        volume: Hypervolume of the true front.
    """

    objectives: Mapping[str, tuple[float, float]]
    reference: NDArray[np.float64]
    volume: float

    @classmethod
    def of(cls, problem: Problem, tasks: Mapping[str, TableTask]) -> Ground:
        """Join the tables of a problem."""
        quality = tasks[problem.quality]
        has_path: list[bool] = np.any(quality.archs.graphs().live(), axis=1).tolist()
        texts = [str(arch) for arch in quality.archs]
        if problem.cost == PARAMETERS:
            cost = dict(zip(texts, parameters_of(quality.archs).tolist(), strict=True))
        else:
            task = tasks[problem.cost]
            cost = {str(arch): -score for arch, score in zip(task.archs, task.scores.tolist(), strict=True)}
        objectives = {
            text: (score, -cost[text])
            for text, score, path in zip(texts, quality.scores.tolist(), has_path, strict=True)
            if path and text in cost
        }
        points = np.array(list(objectives.values()))
        front = points[front_rows(points)]
        reference = front.min(axis=0) - _SLACK * np.ptp(front, axis=0)
        return cls(objectives, reference, hypervolume(front, reference))

    def regret(self, archs: Sequence[str], num_queries: int) -> float:
        """Return the part of the true hypervolume that the first queries did not find, from 0 to 1."""
        found = [self.objectives[arch] for arch in archs[:num_queries] if arch in self.objectives]
        return 1.0 - (hypervolume(found, self.reference) / self.volume if found else 0.0)


def parameters_of(archs: Architectures) -> NDArray[np.int64]:
    """Count the parameters of our networks for 32 x 32 images, at the paper's sizes."""
    return NetworkSizes((3, 32, 32), 100).parameters(archs)
