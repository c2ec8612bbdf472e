"""Two scales for the few scores of a new task; the mixture believes each, and averages what follows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.tables.normalization import clip_outliers, normal_scores, normalize

__all__ = ["support_doubt", "support_scales"]

_DOUBT = 2.0
"""Variance of an outlier's noise, in units of what a mean function explains. Where one random architecture of ten had
an absurd score, ``mpnas-2`` ranked the others of made-up scores, CIFAR-100, Darcy flow, room layout and NAS-Bench-101
with 0.93, 0.97, 0.95, 0.88 and 0.90 (12 samples; it knows these tables), without that architecture with 0.94, 0.97,
0.95, 0.82 and 0.90, and without doubt with 0.59, 0.85, 0.84, 0.77 and 0.73 (6 samples). A doubt of 1 is worse there,
and one of 4 where the worst architecture had the absurd score: room layout 0.89, 0.88 and 0.86 with 1, 2 and 4."""


def support_scales(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring scores ``[n]`` to mean 0 and standard deviation 1 in two ways, ``[2, n]``; all equal scores become 0.

    The first keeps distances, but clips what is further than three robust standard deviations from the median, as
    failed architectures would otherwise set the scale. The robust standard deviation is never less than 0.3 of the
    plain one, which no absurd value enters: `normalize` has moved it to where the others end. The second are normal
    scores, which keep the order alone; searches of the design columns found the best 0.1 % in 0.88 times the queries
    (geometric mean of six columns) that they took with plain ranks.
    """
    values = normalize(scores)
    residual = values - np.median(values)
    spread = max(1.4826 * np.median(np.abs(residual)), 0.3 * residual.std())
    clipped = np.clip(residual, -3 * spread, 3 * spread)
    return np.stack([normalize(clipped), normalize(normal_scores(scores))])


def support_doubt(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Estimate the noise of the scores ``[n]`` beyond what is usual, as variances ``[n]``: 0 but for outliers.

    On either scale an outlier is the worst architecture. But a training that diverged says little of its architecture:
    one such score must not outweigh all others, while several that agree are believed.
    """
    return np.where(clip_outliers(scores) != scores, _DOUBT, 0.0)
