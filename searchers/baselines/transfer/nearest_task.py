"""Search by the ranking of the source task that agrees best with the results."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.spaces import Architectures
from mpnas_ray.stats import spearman
from searchers.baselines.transfer.source_tables import SourceTables
from searchers.baselines.transfer.transfer_search import TransferSearch
from searchers.core.proposals import Proposal

__all__ = ["NearestTaskSearch"]

_RANDOM_POINTS = 5


class NearestTaskSearch(TransferSearch):
    """Proposes at random until five results are in, then as the source task ranks that agrees best with all results.

    Agreement is Spearman's correlation over the architectures that both measured; the source is chosen anew for each
    proposal. Of several that agree alike, the first one counts.

    Example:
        >>> from mpnas_ray import get_space
        >>> from mpnas_ray.tables import TableTask
        >>> from searchers import NearestTaskSearch
        >>> archs = get_space("transnasbench101").distinct()[:3]
        >>> source = TableTask("transnasbench101/known", archs, [0.1, 0.3, 0.2], "accuracy", "max")
        >>> searcher = NearestTaskSearch("transnasbench101", "accuracy", "max", sources={"known": source}, seed=0)
        >>> for trial_id in "abcde":
        ...     config = searcher.suggest(trial_id)
        ...     searcher.on_trial_complete(trial_id, {"accuracy": config["arch"].count("3") / 10})
        >>> searcher.suggest("f")["arch"] == str(archs[1])
        True
    """

    def _propose(self) -> Proposal:
        archs, labels = self.observations.labels()
        if len(archs) < _RANDOM_POINTS:
            return self._proposals.random_unseen() or "FINISHED"
        nearest = _nearest(self._sources, self._rows(archs), labels)
        unseen = self._first_unseen(self._sources.by_source[nearest])
        return unseen or self._proposals.random_unseen() or "FINISHED"

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {}

    def _rows(self, archs: list[str]) -> NDArray[np.intp]:
        """Look up the row of each architecture in the sources, ``[N]``; -1 if no source measured it."""
        new = [arch for arch in archs if arch not in self._row_of]
        if new:
            found = self._proposals.candidates.keys(Architectures.of(new, self.space))
            rows = np.minimum(np.searchsorted(self._sources.keys, found), len(self._sources.keys) - 1)
            rows = np.where(self._sources.keys[rows] == found, rows, -1)
            self._row_of.update(zip(new, rows.tolist(), strict=True))
        return np.array([self._row_of[arch] for arch in archs])


def _nearest(sources: SourceTables, rows: NDArray[np.intp], labels: NDArray[np.float64]) -> int:
    """Find the task whose quantiles correlate best with labels, by Spearman over the rows that it measured.

    Args:
        sources: The tasks.
        rows: Rows of the labelled architectures ``[N]``; -1 for one that no task measured.
        labels: Labels of these architectures ``[N]``, higher is better.
    """
    rows, labels = rows[rows >= 0], labels[rows >= 0]
    found = [_agreement(of_task[rows], labels) for of_task in sources.quantiles]
    return int(np.argmax(np.round(found, 12)))  # the first of equal ones, which may differ in their last bits


def _agreement(quantiles: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    """Correlate ranks where there is a quantile; 0, which speaks neither for nor against, if that is undefined."""
    there = ~np.isnan(quantiles)
    return float(spearman(quantiles[there], labels[there])) if there.sum() >= 3 else 0.0
