"""Search from the best architectures of other tasks (Zappella, Salinas and Archambeau 2021, "A resource-efficient
method for repeated HPO and NAS problems").
"""

from __future__ import annotations

from typing import Literal

from mpnas_ray.spaces import Architecture
from searchers.baselines.transfer.ranked_lists import TransferSearch

__all__ = ["RUSHSearch"]


class RUSHSearch(TransferSearch):
    """The best architecture of each source task, in the order of the sources, then random ones.

    Of RUSH this is the part that concerns what is proposed. The paper starts successive halving from the best of each
    earlier task, and samples the rest at random, as here. Its other part stops a trial: at each number of epochs where
    successive halving decides, the best value among the sources' architectures is a hurdle, and a random architecture
    that stays below it is not trained further. Where every trial is trained to its end there is nothing to stop, and
    the hurdle changes no proposal. An architecture that is the best of several sources is proposed once.
    """

    def _propose(self) -> Architecture | Literal["FINISHED"] | None:
        best = [int(rows[0]) for rows in self._sources.by_source]
        return self._first_unseen(best) or self._random_unseen() or "FINISHED"
