"""Bring curves of one task to a scale that all tasks share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.curves.partial import PartialCurves, carried_forward
from mpnas_ray.tables.normalization import outlier_limits

__all__ = ["standardized", "without_outliers"]

_CLIP = 3.0
_FEWEST = 4
"""Trainings that reached an epoch, from which its spread is taken from them alone."""


def standardized(curves: PartialCurves, known: PartialCurves) -> NDArray[np.float32]:
    """Scale scores and negated train losses relative to those of other trainings of the task at the same epoch.

    From each value the median at that epoch is taken, and the rest is divided by the spread (half the distance between
    the 10th and 90th percentile, without outliers), so that neither the metric's unit nor the learning rate's schedule
    matters. While a task is new, its trials so far are ``known``: at an epoch that few have reached, the spread is the
    last one known before.

    Args:
        curves: N trainings of e epochs.
        known: Trainings of the same task, among them those of ``curves``; at least e epochs, NaN where they were not
            trained so far.

    Returns:
        ``[N, 2, e]``, between -3 and 3; 0 where nothing was measured.
    """
    pairs = ((curves.scores, known.scores, 1.0), (curves.train_losses, known.train_losses, -1.0))
    parts = []
    for values, of_all, sign in pairs:
        known_here = sign * of_all[:, : values.shape[1]]
        centre, spread = _centre_and_spread(without_outliers(known_here, known_here))
        scaled = (sign * carried_forward(values) - centre) / spread
        parts.append(np.clip(np.nan_to_num(scaled, nan=0.0), -_CLIP, _CLIP))
    return np.stack(parts, axis=1).astype(np.float32)


def without_outliers(values: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.float64]:
    """Clip each column ``[N, e]``, higher is better, to the `outlier_limits` of that column of ``known [M, e]``.

    A training that diverges otherwise makes all others one and the same. What is not finite counts as not measured:
    it becomes NaN.
    """
    low, high = np.array([outlier_limits(column[np.isfinite(column)]) for column in known.T]).T
    return np.where(np.isfinite(values), np.clip(values, low, high), np.nan)


def _centre_and_spread(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute centre and spread of each epoch, ``[e]`` each; NaN is not measured."""
    counts = np.isfinite(values).sum(axis=0)
    empty = np.where(counts == 0, 0.0, np.nan)
    low, centre, high = np.nanquantile(np.vstack([values, empty[None]]), [0.1, 0.5, 0.9], axis=0)
    spread = (high - low) / 2
    sure = (counts >= _FEWEST) & (spread > 0)
    if not sure.any():
        return centre, np.where(spread > 0, spread, 1.0)
    place = np.maximum.accumulate(np.where(sure, np.arange(len(spread)), -1))
    return centre, spread[np.where(place >= 0, place, np.argmax(sure))]
