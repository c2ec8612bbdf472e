"""Rank at no cost: by the scores of the same cells on other tasks, and by size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.errors import PredictorError
from mpnas_ray.spaces import EXTENSIONS, KINDS, OPERATIONS, Architectures
from mpnas_ray.tables import TableTask, normalize

__all__ = ["MeanRank", "ParameterCount", "Ranker", "same_kind", "same_space"]


class Ranker(Protocol):
    """A ranking that is judged, and that may be fine-tuned."""

    def predict(self, archs: Architectures, /) -> NDArray[np.float64]:
        """Return scores ``[N]``: higher is better, only their order counts."""
        ...

    def adapt(self, archs: Architectures, scores: NDArray[np.float64], /) -> Ranker:
        """Return the ranking after fine-tuning on N measured architectures; scores ``[N]``, higher is better."""
        ...


class MeanRank:
    """The mean of an architecture's ranks on source tasks of its own space, where it is measured already.

    Each source's scores are rank-normalised over its whole table. An architecture that a source has not measured
    takes the mean over the others, and one that none has measured stands in the middle, at 0.
    """

    def __init__(self, sources: Iterable[TableTask]) -> None:
        """Look up all architectures of these tasks.

        Raises:
            PredictorError: If there is no source.
        """
        sums: dict[bytes, list[float]] = {}
        for task in sources:
            ranks = normalize(task.scores, "rank")
            for row, rank in zip(task.archs.codes, ranks.tolist(), strict=True):
                sums.setdefault(row.tobytes(), []).append(rank)
        if not sums:
            raise PredictorError("A mean rank takes at least one source task of the target's space.")
        self._means = {codes: sum(ranks) / len(ranks) for codes, ranks in sums.items()}

    def predict(self, archs: Architectures) -> NDArray[np.float64]:
        """Return mean ranks ``[N]``."""
        return np.array([self._means.get(row.tobytes(), 0.0) for row in archs.codes], dtype=np.float64)

    def adapt(self, archs: Architectures, scores: NDArray[np.float64]) -> MeanRank:
        """Return the ranking itself: a mean rank needs no points."""
        return self


class ParameterCount:
    """A ranking by the weights of a cell's operations at equal widths, k*k for a k x k convolution; larger first."""

    def predict(self, archs: Architectures) -> NDArray[np.float64]:
        """Count the weights of each cell ``[N]``, in units of one pointwise convolution; dead operations count too."""
        sizes = np.zeros(len(KINDS) + 1)  # the last is for -1, no node
        for operation in (*OPERATIONS, *EXTENSIONS):
            sizes[KINDS.index(operation.name)] = operation.weights_per_channel_pair
        totals: NDArray[np.float64] = sizes[archs.graphs().kinds].sum(axis=1)
        return totals

    def adapt(self, archs: Architectures, scores: NDArray[np.float64]) -> ParameterCount:
        """Return the ranking itself: a count needs no points."""
        return self


def same_space(target: TableTask, tasks: Iterable[TableTask]) -> list[TableTask]:
    """Select the tasks of the target's search space."""
    return [task for task in tasks if task.archs.space.name == target.archs.space.name]


def same_kind(target: TableTask, tasks: Sequence[TableTask]) -> list[TableTask]:
    """Select the tasks that measure a cost, if the target is a cost, else those that measure a quality."""
    return [task for task in tasks if task.kind == target.kind]
