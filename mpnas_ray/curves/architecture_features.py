"""Features of an architecture before its training: the score that a predictor expects of it, and its usual cost."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.predictors import Predictor
from mpnas_ray.predictors.encodings.operation_counts import USUAL_PRICES, operation_counts
from mpnas_ray.spaces import Architectures, get_space

__all__ = ["NUM_FEATURES", "architecture_features"]

NUM_FEATURES = 2
_SAMPLE = 2_000


def architecture_features(archs: Architectures, predictor: Predictor | None) -> NDArray[np.float32]:
    """Compute two numbers for each architecture, ``[N, 2]``, of mean 0 and standard deviation about 1 over its space.

    The first is what a predictor that needs no scores predicts, 0 without one; the second is what the operations
    between input and output usually cost (`mpnas_ray.predictors.encodings.operation_counts.USUAL_PRICES`), relative to
    random architectures.
    """
    mean, standard_deviation = _usual_cost(archs.space.name)
    cost = (_cost(archs) - mean) / standard_deviation
    predicted = np.zeros(len(archs)) if predictor is None else predictor.predict(archs)
    return np.stack([predicted, cost], axis=1).astype(np.float32)


def _cost(archs: Architectures) -> NDArray[np.float64]:
    used = operation_counts(archs)[:, len(USUAL_PRICES) :]
    return np.asarray(used @ USUAL_PRICES)


@cache
def _usual_cost(space: str) -> tuple[float, float]:
    """Compute mean and standard deviation over a space, on one sample for all, so that networks agree on the scale."""
    cost = _cost(get_space(space).sample_many(_SAMPLE, np.random.default_rng(0)))
    return float(cost.mean()), float(cost.std())
