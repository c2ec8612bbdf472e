"""The Pareto front of a set of points: those that no other is better than."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["front_rows", "non_dominated"]


def non_dominated(objectives: ArrayLike) -> NDArray[np.bool_]:
    """Say which points no other dominates, bool ``[N]``.

    A point dominates another if it is at least as good in each objective and better in one. So of equal points none
    dominates the other. Only the order in each objective counts.

    Args:
        objectives: N points of M objectives each, ``[N, M]``, higher is better in all; NaN dominates nothing and is
            dominated.
    """
    points = np.asarray(objectives, dtype=np.float64)
    usable = ~np.isnan(points).any(axis=1)
    found = np.zeros(len(points), dtype=np.bool_)
    left = np.flatnonzero(usable)
    left = left[np.lexsort(points[left].T)[::-1]]  # a point comes before all that it dominates
    while len(left):
        first = points[left[0]]
        equal = (points[left] == first).all(axis=1)
        found[left[equal]] = True
        left = left[(points[left] > first).any(axis=1)]
    return found


def front_rows(objectives: ArrayLike) -> NDArray[np.intp]:
    """Return the rows of the front, ``[K]``, the best of the first objective first; of equal points the first.

    Args:
        objectives: N points of M objectives each, ``[N, M]``, higher is better in all.
    """
    points = np.asarray(objectives, dtype=np.float64)
    rows = np.flatnonzero(non_dominated(points))
    _, first = np.unique(points[rows], axis=0, return_index=True)
    rows = rows[np.sort(first)]
    return rows[np.argsort(-points[rows, 0], kind="stable")]
