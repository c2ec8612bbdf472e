"""The volume that a set of points dominates: how good a front is, in one number."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mpnas_ray.errors import SettingError
from searchers.model_based.objectives.front import front_rows

__all__ = ["hypervolume"]

Floats = NDArray[np.float64]


def hypervolume(objectives: ArrayLike, reference: ArrayLike) -> float:
    """Return the volume of all that is worse than one of the points and better than the reference (Zitzler 1999).

    It grows with each point that the others do not dominate, and no other. It depends on the scale of the objectives
    and on the reference, which must be fixed for volumes to compare. Computed by slices along the last objective, which
    is exact and takes a power of N that grows with M: for some hundred points of up to four objectives.

    Args:
        objectives: N points of M objectives each, ``[N, M]``, higher is better in all.
        reference: The worst point that counts, ``[M]``; points that are not better in all objectives add nothing.

    Raises:
        SettingError: If numbers of objectives differ, or one is not finite.
    """
    points, worst = np.asarray(objectives, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if points.ndim != 2 or worst.shape != points.shape[1:] or not worst.size:
        raise SettingError(
            f"A hypervolume takes points [N, M] and a reference [M], not {list(points.shape)} and {list(worst.shape)}."
        )
    if not (np.isfinite(points).all() and np.isfinite(worst).all()):
        raise SettingError("A hypervolume takes finite objectives: leave out points without a value.")
    gains = points - worst
    return _volume(gains[(gains > 0).all(axis=1)])


def _volume(gains: Floats) -> float:
    """Return the volume between 0 and N points above it, ``[N, M]``."""
    if not len(gains):
        return 0.0
    if gains.shape[1] == 1:
        return float(gains.max())
    gains = gains[front_rows(gains)]
    if gains.shape[1] == 2:  # the first objective falls along the front, so the second rises
        heights = np.diff(gains[:, 1], prepend=0.0)
        return float((gains[:, 0] * heights).sum())
    ends = np.unique(gains[:, -1])
    thickness = np.diff(ends, prepend=0.0)
    slices = [_volume(gains[gains[:, -1] >= end, :-1]) for end in ends]
    return float(np.dot(thickness, slices))
