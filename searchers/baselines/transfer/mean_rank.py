"""Search by the mean rank of each architecture on other tasks of the space."""

from __future__ import annotations

from typing import Literal

from mpnas_ray.spaces import Architecture
from searchers.baselines.transfer.ranked_lists import TransferSearch

__all__ = ["MeanRankSearch"]


class MeanRankSearch(TransferSearch):
    """Architectures by their mean rank over the source tasks that measured them, best first, whatever comes out."""

    def _propose(self) -> Architecture | Literal["FINISHED"] | None:
        return self._first_unseen(self._sources.by_mean) or self._random_unseen() or "FINISHED"
