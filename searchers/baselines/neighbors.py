"""What the searchers share that change one thing of an architecture."""

from __future__ import annotations

import numpy as np

from mpnas_ray.spaces import Architecture, Architectures
from searchers.core.architecture_searcher import ArchitectureSearcher
from searchers.core.candidates import keys

__all__ = ["NeighborSearch"]


class NeighborSearch(ArchitectureSearcher):
    """Base of the searchers that change one thing of an architecture that was measured."""

    def _unseen_neighbors(self, arch: Architecture) -> Architectures:
        """The neighbours of ``arch`` that were not proposed yet."""
        neighbors = self.space.neighbors(arch)
        unseen = [row for row, key in enumerate(keys(neighbors, self._twins).tolist()) if key not in self._seen]
        return neighbors[np.array(unseen, dtype=np.intp)]
