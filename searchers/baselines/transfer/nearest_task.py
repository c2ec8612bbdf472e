"""Search by the ranking of the source task that agrees best with the results."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.spaces import Architecture, Architectures
from mpnas_ray.stats import spearman
from searchers.baselines.transfer.ranked_lists import TransferSearch
from searchers.baselines.transfer.sources import Sources
from searchers.core.candidates import keys

__all__ = ["NearestTaskSearch"]

_RANDOM_POINTS = 5


class NearestTaskSearch(TransferSearch):
    """At random until five results are in, then as the source task ranks that agrees best with all results.

    Agreement is Spearman's correlation over the architectures that both measured; the source is chosen anew for each
    proposal. Of several that agree alike, the first one counts.
    """

    def _propose(self) -> Architecture | Literal["FINISHED"] | None:
        archs, labels = self.observations.labels()
        if len(archs) < _RANDOM_POINTS:
            return self._random_unseen() or "FINISHED"
        nearest = _nearest(self._sources, self._rows(archs), labels)
        return self._first_unseen(self._sources.by_source[nearest]) or self._random_unseen() or "FINISHED"

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {}

    def _rows(self, archs: list[str]) -> NDArray[np.intp]:
        """Row of each architecture in the sources, ``[N]``; -1 if no source measured it. Looked up once for each."""
        new = [arch for arch in archs if arch not in self._row_of]
        if new:
            found = keys(Architectures.of(new, self.space), self._twins)
            rows = np.minimum(np.searchsorted(self._sources.keys, found), len(self._sources.keys) - 1)
            rows = np.where(self._sources.keys[rows] == found, rows, -1)
            self._row_of.update(zip(new, rows.tolist(), strict=True))
        return np.array([self._row_of[arch] for arch in archs])


def _nearest(sources: Sources, rows: NDArray[np.intp], labels: NDArray[np.float64]) -> int:
    """The task whose quantiles correlate best with labels, by Spearman over the rows that it measured.

    Args:
        sources: The tasks.
        rows: Of the labelled architectures; -1 for one that no task measured.
        labels: Higher is better, in the shape of ``rows``.
    """
    rows, labels = rows[rows >= 0], labels[rows >= 0]
    found = [_agreement(of_task[rows], labels) for of_task in sources.quantiles]
    return int(np.argmax(np.round(found, 12)))  # the first of equal ones, which may differ in their last bits


def _agreement(quantiles: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    """Correlation of ranks where there is a quantile; 0, which speaks neither for nor against, if it is undefined."""
    there = ~np.isnan(quantiles)
    return float(spearman(quantiles[there], labels[there])) if there.sum() >= 3 else 0.0
