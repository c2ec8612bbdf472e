"""Random search without repetition: the yardstick of every other searcher."""

from __future__ import annotations

from typing import Literal

from mpnas_ray.spaces import Architecture
from searchers.core.architecture_searcher import ArchitectureSearcher

__all__ = ["RandomSearch"]


class RandomSearch(ArchitectureSearcher):
    """Architectures as the space draws them, no canonical form twice. Arguments as in `MPNASSearch`."""

    def _propose(self) -> Architecture | Literal["FINISHED"] | None:
        return self._random_unseen() or "FINISHED"
