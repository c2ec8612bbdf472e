"""When two architectures count as the same, so that the second is not proposed.

In a search they do if they are one network: of one canonical form. A table has measured such twins apart and holds
different values for them, so that a replay of it may count only equal texts as the same (``twins=True``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.spaces import Architectures, SearchSpace

__all__ = ["all_architectures", "keys"]


def keys(archs: Architectures, twins: bool) -> NDArray[np.uint64]:
    """One number an architecture, ``[N]``, equal for those that count as the same."""
    if not twins:
        return archs.canonical_keys()
    hashed = np.zeros(len(archs), dtype=np.uint64)
    for column in archs.codes.T:  # FNV-1a over the letters of the code, in 64 bits
        hashed = (hashed ^ column.astype(np.uint8).astype(np.uint64)) * np.uint64(0x100000001B3)
        hashed ^= hashed >> np.uint64(29)
    return hashed


def all_architectures(space: SearchSpace, twins: bool) -> Architectures:
    """Each of an enumerable space once."""
    return space.enumerate() if twins else space.distinct()
