"""Two scales for the few scores of a new task; the mixture believes each, and averages what follows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.tables.normalization import normalize

__all__ = ["support_scales"]


def support_scales(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores ``[n]`` to mean 0 and standard deviation 1 in two ways, ``[2, n]``; all equal scores become 0.

    The first keeps distances, but clips what is further than three robust standard deviations from the median, as
    failed architectures would otherwise set the scale. The second are ranks.
    """
    deviation = scores - np.median(scores)
    spread = max(1.4826 * np.median(np.abs(deviation)), 0.3 * deviation.std())
    clipped = np.clip(deviation, -3 * spread, 3 * spread) if spread > 0 else deviation
    return np.stack([normalize(clipped), normalize(scores, "rank")])
