"""Directions in which a front is searched: weights of the objectives, and how promising a candidate is by them.

A weight of each objective turns a point into one number, its Chebyshev loss: the largest weighted distance from the
best values. Every point of a front, also where it bends inward, has the lowest loss for some weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from searchers.model_based.objectives.front import non_dominated

__all__ = ["Scale", "even_weights", "losses", "promise", "random_weights"]

Floats = NDArray[np.float64]

_NUM_EVEN = 16
_NUM_RANDOM = 48
"""Number of directions: 16 share a front of two objectives out, and 48 one of more."""


def even_weights(num_objectives: int, rng: np.random.Generator) -> Floats:
    """Return weights that share the directions out, ``[W, M]``; each row sums to 1.

    For one objective there is one direction, for two they are evenly spaced, for more they are drawn.
    """
    if num_objectives == 1:
        return np.ones((1, 1))
    if num_objectives == 2:
        first = (np.arange(_NUM_EVEN) + 0.5) / _NUM_EVEN
        return np.stack([first, 1.0 - first], axis=1)
    return random_weights(num_objectives, _NUM_RANDOM, rng)


def random_weights(num_objectives: int, num: int, rng: np.random.Generator) -> Floats:
    """Draw weights uniformly from all that sum to 1, ``[num, M]``."""
    return rng.dirichlet(np.ones(num_objectives), num)


@dataclass(frozen=True, eq=False)
class Scale:
    """A linear scale on which the best value of a front is 1 and the worst is 0, in each objective.

    Attributes:
        best: Best values ``[M]``.
        span: Differences between best and worst values ``[M]``, above 0.
    """

    best: Floats
    span: Floats

    @classmethod
    def of(cls, objectives: Floats) -> Scale:
        """Make the scale of the front of N points, ``[N, M]``, N at least 1, higher is better."""
        front = objectives[non_dominated(objectives)]
        span = np.ptp(front, axis=0)
        return cls(front.max(axis=0), np.where(span > 0, span, np.maximum(np.ptp(objectives, axis=0), 1e-12)))

    def __call__(self, objectives: Floats) -> Floats:
        """Return scaled objectives ``[N, M]``: at most 1 for what the front holds, below 0 for what is worse."""
        return 1.0 - (self.best - objectives) / self.span


def losses(scaled: Floats, weights: Floats) -> Floats:
    """Return the Chebyshev loss of each of N points, ``[N]``: its largest weighted distance from 1.

    Args:
        scaled: Scaled objectives ``[N, M]``.
        weights: Weights of the objectives ``[M]``.
    """
    loss: Floats = (weights * (1.0 - scaled)).max(axis=1)
    return loss


def promise(scaled: Floats, weights: Floats, lowest: Floats) -> Floats:
    """Return how near each of N points comes to the best in the direction that suits it most, ``[N]``.

    Args:
        scaled: Scaled objectives ``[N, M]``.
        weights: Directions ``[W, M]``.
        lowest: Lowest loss in each direction ``[W]``.

    Returns:
        0 where a point has the lowest loss in a direction, else less; higher is better.
    """
    best = np.full(len(scaled), -np.inf)
    for weight, least in zip(weights, lowest, strict=True):
        best = np.maximum(best, least - losses(scaled, weight))
    return best
