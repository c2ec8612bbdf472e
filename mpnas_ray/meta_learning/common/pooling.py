"""Pool the architectures of many tasks, each once: tasks of one space have mostly measured the same ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mpnas_ray.errors import PredictorError
from mpnas_ray.spaces import Architectures, get_space
from mpnas_ray.tables import TableTask

__all__ = ["MeasuredTask", "SpacePool", "pool_by_space"]


@dataclass(frozen=True)
class MeasuredTask:
    """A task as a pool holds it.

    Attributes:
        rows: Indices of the architectures of the pool that were measured, int64 ``[N]``.
        scores: Scores of the architectures, higher is better, on the task's own scale, ``[N]``.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class SpacePool:
    """All different architectures that some tasks of one space have measured.

    Attributes:
        archs: Architectures in the order of their codes.
        tasks: Name -> task.
    """

    archs: Architectures
    tasks: Mapping[str, MeasuredTask]


def pool_by_space(tasks: Mapping[str, TableTask], archs_per_task: int, rng: Generator) -> list[SpacePool]:
    """Pool measured tasks; ``rng`` thins those of more than ``archs_per_task`` architectures.

    Raises:
        PredictorError: If there is no task.
    """
    if not tasks:
        raise PredictorError("There is no task to learn from.")
    thinned = {name: _thinned(task, archs_per_task, rng) for name, task in tasks.items()}
    pools = []
    for space_name in dict.fromkeys(task.archs.space.name for task in thinned.values()):
        members = {name: task for name, task in thinned.items() if task.archs.space.name == space_name}
        codes = np.concatenate([task.archs.codes for task in members.values()])
        different, place = np.unique(codes, axis=0, return_inverse=True)
        ends = np.cumsum([len(task) for task in members.values()])[:-1]
        measured = {
            name: MeasuredTask(rows.astype(np.int64), task.scores)
            for (name, task), rows in zip(members.items(), np.split(place.reshape(-1), ends), strict=True)
        }
        pools.append(SpacePool(Architectures(get_space(space_name), np.ascontiguousarray(different)), measured))
    return pools


def _thinned(task: TableTask, limit: int, rng: Generator) -> TableTask:
    return task if len(task) <= limit else task[np.sort(rng.permutation(len(task))[:limit])]
