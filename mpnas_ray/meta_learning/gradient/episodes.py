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

from mpnas_ray.checks import require_count, require_number
from mpnas_ray.errors import PredictorError
from mpnas_ray.meta_learning.common.network import Graphs, graphs_of
from mpnas_ray.meta_learning.common.pooling import MeasuredTask, pool_by_space
from mpnas_ray.meta_learning.gradient.config import MetaConfig
from mpnas_ray.tables import TableTask, normalize

__all__ = ["EpisodePart", "EpisodePool", "Episodes"]


@dataclass(frozen=True)
class EpisodePart:
    """Support or query sets of several tasks.

    Attributes:
        rows: Indices of architectures of the pool, int64 ``[tasks, n]``.
        graphs: ``[tasks, n, ...]``.
        scores: Normalised within each row, ``[tasks, n]``.
    """

    rows: Tensor
    graphs: Graphs
    scores: Tensor

    def __getitem__(self, tasks: slice) -> EpisodePart:
        """Select the sets of some of the tasks."""
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
        """Select the episodes of some of the tasks."""
        return Episodes(self.names[tasks], self.support[tasks], self.query[tasks])


@dataclass(frozen=True)
class EpisodePool:
    """Tasks to draw episodes from, with the graphs of their architectures, each made once.

    Attributes:
        graphs: All different architectures of all tasks, padded to one size, ``[N, ...]``.
        classes: Canonical class of each, ``[N]``: equal only for isomorphic cells of one space.
        tasks: Name -> task.
        config: Says how scores are normalised.
    """

    graphs: Graphs
    classes: NDArray[np.int64]
    tasks: Mapping[str, MeasuredTask]
    config: MetaConfig

    @classmethod
    def of(
        cls, tasks: Mapping[str, TableTask], config: MetaConfig, rng: Generator, device: torch.device | str = "cpu"
    ) -> EpisodePool:
        """Prepare measured tasks; ``rng`` thins those of more than ``config.archs_per_task`` architectures."""
        held: dict[str, MeasuredTask] = {}
        graphs: list[Graphs] = []
        classes: list[NDArray[np.int64]] = []
        num_graphs = num_classes = 0
        for pool in pool_by_space(tasks, config.archs_per_task, rng):
            keys, classes_here = np.unique(pool.archs.canonical_keys(), return_inverse=True)
            for name, task in pool.tasks.items():
                held[name] = MeasuredTask(task.rows + num_graphs, task.scores)
            graphs.append(graphs_of(pool.archs, config.gcn, device))
            classes.append(classes_here.astype(np.int64) + num_classes)
            num_graphs += len(pool.archs)
            num_classes += len(keys)
        return cls(
            Graphs.joined(graphs),
            np.concatenate(classes),
            {name: held[name] for name in tasks},
            config,
        )

    def held_apart(self, fraction: float, rng: Generator) -> tuple[EpisodePool, EpisodePool]:
        """Split into two pools of the same tasks: most architectures, and a random ``fraction`` of all classes.

        Isomorphic cells are always on the same side, and so is an architecture that several tasks have measured.

        Raises:
            PredictorError: Unless the fraction is between 0 and 1.
        """
        require_number("fraction", fraction, above=0, below=1, error=PredictorError)
        num_classes = int(self.classes.max()) + 1
        apart = np.zeros(num_classes, dtype=np.bool_)
        apart[rng.permutation(num_classes)[: max(1, round(fraction * num_classes))]] = True
        return self._of_classes(~apart), self._of_classes(apart)

    def _of_classes(self, chosen: NDArray[np.bool_]) -> EpisodePool:
        tasks = {}
        for name, task in self.tasks.items():
            kept = chosen[self.classes[task.rows]]
            tasks[name] = MeasuredTask(task.rows[kept], task.scores[kept])
        return EpisodePool(self.graphs, self.classes, tasks, self.config)

    def draw(
        self, rng: Generator, *, names: tuple[str, ...] | None = None, num_support: int = 0, num_query: int = 0
    ) -> Episodes:
        """Draw a meta-batch.

        Args:
            rng: Source of the tasks, if they are not named, and of the architectures.
            names: Tasks, one may be named more than once; ``config.tasks_per_batch`` different random ones if None.
            num_support: Size of the support sets, by default ``config.num_support``.
            num_query: Size of the query sets, by default ``config.num_query``.

        Raises:
            PredictorError: If a task has too few architectures, or a size is no whole number of at least 0.
        """
        require_count("num_support", num_support, 0, error=PredictorError)
        require_count("num_query", num_query, 0, error=PredictorError)
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
