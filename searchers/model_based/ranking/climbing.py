"""Better candidates in a space too large to list: neighbours of the best of a sample, and their neighbours.

The best of ten thousand random cells is far from the best of 423,624 or more, but not far from it in changes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.spaces import Architectures
from searchers.core.candidates import Candidates

__all__ = ["climb"]

_ROUNDS = 3
_BEST = 50

Floats = NDArray[np.float64]


def climb(
    candidates: Candidates,
    archs: Architectures,
    found: NDArray[np.uint64],
    predicted: Floats,
    predict: Callable[[Architectures], Floats],
) -> tuple[Architectures, NDArray[np.uint64], Floats]:
    """Add the neighbours of the best candidates, three times.

    Args:
        candidates: The architectures that may be proposed.
        archs: N candidates.
        found: Keys of these candidates, ``[N]``.
        predicted: Predicted scores of these candidates, ``[N]``.
        predict: Predicts the scores of M architectures, ``[M]``.

    Returns:
        Candidates, keys and predicted scores; the first N are those that were given, and no key is there twice.
    """
    space = candidates.space
    codes, start = [archs.codes], 0
    for _ in range(_ROUNDS):
        best = start + np.argsort(-predicted[start:], kind="stable")[:_BEST]
        so_far = np.concatenate(codes)
        around = Architectures(space, np.concatenate([space.neighbor_codes(so_far[row]) for row in best]))
        around = candidates.allowed(around)
        of_around, first = np.unique(candidates.keys(around), return_index=True)
        new = np.sort(first[~np.isin(of_around, found)])
        if not len(new):
            break
        around = around[new]
        start = len(found)  # go on from what is new: the neighbours of the others are there
        codes.append(around.codes)
        found = np.concatenate([found, candidates.keys(around)])
        predicted = np.concatenate([predicted, predict(around)])
    return Architectures(space, np.concatenate(codes)), found, predicted
