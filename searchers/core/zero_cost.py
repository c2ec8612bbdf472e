"""Scores that cost no training.

A score (a zero-cost proxy, computed from an untrained network and one batch) comes from the side of the trainings as a
callable and takes from milliseconds to a second a network. It is therefore asked where rankings are made, beside the
trials, and only for as many candidates as a searcher says.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mpnas_ray.errors import PredictorError
from mpnas_ray.spaces import Architectures

__all__ = ["Score", "scores_of"]

Score = Callable[[Architectures], ArrayLike]
"""N architectures -> a number for each ``[N]``: higher is better; NaN or infinite where there is none."""


def scores_of(score: Score, archs: Architectures) -> NDArray[np.float64]:
    """Return the scores of N architectures ``[N]``, NaN where one is no finite number.

    Raises:
        PredictorError: If the callable gives something else than N numbers.
    """
    values = np.asarray(score(archs), dtype=np.float64)
    if values.shape != (len(archs),):
        raise PredictorError(
            f"A score takes N architectures and gives N numbers, NaN where it has none; for {len(archs)} it gave shape "
            f"{list(values.shape)}."
        )
    return np.where(np.isfinite(values), values, np.nan)
