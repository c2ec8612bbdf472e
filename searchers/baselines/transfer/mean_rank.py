"""Search by the mean rank of each architecture on other tasks of the space."""

from __future__ import annotations

from searchers.baselines.transfer.transfer_search import TransferSearch
from searchers.core.proposals import Proposal

__all__ = ["MeanRankSearch"]


class MeanRankSearch(TransferSearch):
    """Proposes architectures by their mean rank over the source tasks that measured them, whatever comes out.

    Example:
        >>> from mpnas_ray import get_space
        >>> from mpnas_ray.tables import TableTask
        >>> from searchers import MeanRankSearch
        >>> archs = get_space("transnasbench101").distinct()[:3]
        >>> source = TableTask("transnasbench101/known", archs, [0.1, 0.3, 0.2], "accuracy", "max")
        >>> searcher = MeanRankSearch("transnasbench101", "accuracy", "max", sources={"known": source})
        >>> searcher.suggest("trial-1")["arch"] == str(archs[1])
        True
    """

    def _propose(self) -> Proposal:
        return self._first_unseen(self._sources.by_mean) or self._proposals.random_unseen() or "FINISHED"
