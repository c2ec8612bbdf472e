"""Episodes: small few-shot problems drawn from measured tasks.

An episode is a support set, to adapt to, and a query set, to judge the result by, of one task and without a common
architecture. Scores of either are normalised by the numbers of that set alone: support scores are all that an adapted
predictor may know of a new task, and a query set scaled by its own ranks is a target that does not depend on which
support was drawn. (Only the order of predictions counts, so that the two scales need not agree.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from mpnas_ray.errors import PredictorError
from mpnas_ray.meta.config import MetaConfig
from mpnas_ray.meta.network import Graphs, graphs_of
from mpnas_ray.spaces import Architectures, get_space
from mpnas_ray.tables import TableTask, normalize

__all__ = ["EpisodePart", "EpisodePool", "EpisodeTask", "Episodes"]


@dataclass(frozen=True)
class EpisodePart:
    """Support or query sets of several tasks.

    Attributes:
        rows: Which architectures of the pool, int64 ``[tasks, n]``.
        graphs: ``[tasks, n, ...]``.
        scores: Normalised within each row, ``[tasks, n]``.
    """

    rows: Tensor
    graphs: Graphs
    scores: Tensor

    def __getitem__(self, tasks: slice) -> EpisodePart:
        """The sets of some of the tasks."""
        return EpisodePart(self.rows[tasks], self.graphs[tasks], self.scores[tasks])


@dataclass(frozen=True)
class Episodes:
    """One meta-batch: an episode of each of several tasks."""

    names: tuple[str, ...]
    support: EpisodePart
    query: EpisodePart

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, tasks: slice) -> Episodes:
        """The episodes of some of the tasks."""
        return Episodes(self.names[tasks], self.support[tasks], self.query[tasks])


@dataclass(frozen=True)
class EpisodeTask:
    """A task as the pool holds it.

    Attributes:
        rows: Which architectures of the pool were measured, int64 ``[N]``.
        scores: Their scores, higher is better, on the task's own scale, ``[N]``.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class EpisodePool:
    """Tasks to draw episodes from, with the graphs of their architectures, each made once.

    Attributes:
        graphs: All different architectures of all tasks, padded to one size, ``[N, ...]``.
        classes: Canonical class of each, ``[N]``: equal only for twins of one space.
        tasks: Name -> task.
        config: Says how scores are normalised.
    """

    graphs: Graphs
    classes: NDArray[np.int64]
    tasks: Mapping[str, EpisodeTask]
    config: MetaConfig

    @classmethod
    def of(
        cls, tasks: Mapping[str, TableTask], config: MetaConfig, rng: Generator, device: torch.device | str = "cpu"
    ) -> EpisodePool:
        """Prepare measured tasks; ``rng`` thins those of more than ``config.archs_per_task`` architectures."""
        thinned = {name: _thinned(task, config.archs_per_task, rng) for name, task in tasks.items()}
        held: dict[str, EpisodeTask] = {}
        graphs: list[Graphs] = []
        classes: list[NDArray[np.int64]] = []
        num_graphs = num_classes = 0
        for space_name in dict.fromkeys(task.archs.space.name for task in thinned.values()):
            members = {name: task for name, task in thinned.items() if task.archs.space.name == space_name}
            codes = np.concatenate([task.archs.codes for task in members.values()])
            different, place = np.unique(codes, axis=0, return_inverse=True)
            archs = Architectures(get_space(space_name), np.ascontiguousarray(different))
            keys, classes_here = np.unique(archs.canonical_keys(), return_inverse=True)
            ends = np.cumsum([len(task) for task in members.values()])[:-1]
            for (name, task), rows in zip(members.items(), np.split(place.reshape(-1), ends), strict=True):
                held[name] = EpisodeTask(rows.astype(np.int64) + num_graphs, task.scores)
            graphs.append(graphs_of(archs, config.gcn, device))
            classes.append(classes_here.astype(np.int64) + num_classes)
            num_graphs += len(archs)
            num_classes += len(keys)
        if not held:
            raise PredictorError("There is no task to draw episodes from.")
        num_nodes = max(part.num_nodes for part in graphs)
        padded = [part.padded(num_nodes) for part in graphs]
        return cls(
            Graphs(torch.cat([part.inputs for part in padded]), torch.cat([part.reads for part in padded])),
            np.concatenate(classes),
            {name: held[name] for name in tasks},
            config,
        )

    def held_apart(self, fraction: float, rng: Generator) -> tuple[EpisodePool, EpisodePool]:
        """Two pools of the same tasks: most architectures, and those of a random ``fraction`` of all classes.

        Twins are always on the same side, and so is an architecture that several tasks have measured.
        """
        num_classes = int(self.classes.max()) + 1
        apart = np.zeros(num_classes, dtype=np.bool_)
        apart[rng.permutation(num_classes)[: max(1, round(fraction * num_classes))]] = True
        return self._of_classes(~apart), self._of_classes(apart)

    def _of_classes(self, chosen: NDArray[np.bool_]) -> EpisodePool:
        tasks = {}
        for name, task in self.tasks.items():
            kept = chosen[self.classes[task.rows]]
            tasks[name] = EpisodeTask(task.rows[kept], task.scores[kept])
        return EpisodePool(self.graphs, self.classes, tasks, self.config)

    def draw(
        self, rng: Generator, *, names: tuple[str, ...] | None = None, num_support: int = 0, num_query: int = 0
    ) -> Episodes:
        """A meta-batch.

        Args:
            rng: Source of the tasks, if they are not named, and of the architectures.
            names: Tasks, one may be named more than once; ``config.tasks_per_batch`` different random ones if None.
            num_support: Size of the support sets, by default ``config.num_support``.
            num_query: Size of the query sets, by default ``config.num_query``.

        Raises:
            PredictorError: If a task has too few architectures.
        """
        if names is None:
            every = tuple(self.tasks)
            count = min(self.config.tasks_per_batch, len(every))
            names = tuple(every[index] for index in rng.choice(len(every), count, replace=False))
        num_support = num_support or self.config.num_support
        size = num_support + (num_query or self.config.num_query)
        rows = np.empty((len(names), size), dtype=np.int64)
        scores = np.empty((len(names), size), dtype=np.float64)
        for number, name in enumerate(names):
            task = self.tasks[name]
            if len(task.rows) < size:
                raise PredictorError(
                    f"{name} has {len(task.rows)} architectures here, an episode takes {size} (num_support and "
                    f"num_query): measure more, or make episodes smaller."
                )
            drawn = rng.choice(len(task.rows), size, replace=False)
            rows[number], scores[number] = task.rows[drawn], task.scores[drawn]
        return Episodes(
            names,
            self._part(rows[:, :num_support], scores[:, :num_support]),
            self._part(rows[:, num_support:], scores[:, num_support:]),
        )

    def _part(self, rows: NDArray[np.int64], scores: NDArray[np.float64]) -> EpisodePart:
        device = self.graphs.inputs.device
        normalised = np.stack([normalize(of_task, self.config.normalization) for of_task in scores])
        index = torch.from_numpy(rows).to(device)
        return EpisodePart(index, self.graphs[index], torch.from_numpy(normalised).to(device, torch.float32))


def _thinned(task: TableTask, limit: int, rng: Generator) -> TableTask:
    return task if len(task) <= limit else task[np.sort(rng.permutation(len(task))[:limit])]
