"""Search from the best architectures of other tasks (Zappella, Salinas and Archambeau 2021, "A resource-efficient
method for repeated HPO and NAS problems").
"""

from __future__ import annotations

from searchers.baselines.transfer.transfer_search import TransferSearch
from searchers.core.proposals import Proposal

__all__ = ["RUSHSearch"]


class RUSHSearch(TransferSearch):
    """Proposes the best architecture of each source task, in the order of the sources, then random ones.

    This is the part of RUSH that concerns proposals. The paper starts successive halving from the best of each earlier
    task, and samples the rest at random, as here. Its other part stops a trial: at each number of epochs where
    successive halving decides, the best value among the sources' architectures is a hurdle, and a random architecture
    that stays below it is not trained further. Where every trial is trained to its end there is nothing to stop, and
    the hurdle changes no proposal. An architecture that is the best of several sources is proposed once.

    Example:
        >>> from mpnas_ray import get_space
        >>> from mpnas_ray.tables import TableTask
        >>> from searchers import RUSHSearch
        >>> archs = get_space("transnasbench101").distinct()[:3]
        >>> source = TableTask("transnasbench101/known", archs, [0.1, 0.3, 0.2], "accuracy", "max")
        >>> searcher = RUSHSearch("transnasbench101", "accuracy", "max", sources={"known": source})
        >>> searcher.suggest("trial-1")["arch"] == str(archs[1])
        True
    """

    def _propose(self) -> Proposal:
        best = [int(rows[0]) for rows in self._sources.by_source]
        return self._first_unseen(best) or self._proposals.random_unseen() or "FINISHED"
