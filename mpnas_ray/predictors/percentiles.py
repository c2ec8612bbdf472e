"""Percentiles of architectures among all of their space, with intervals by the predictor's uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mpnas_ray.predictors.base import Predictor
from mpnas_ray.spaces import Architecture, Architectures

__all__ = ["COVERAGE", "Percentiles", "predict_percentiles"]

COVERAGE = 0.8
"""Probability that a true percentile is within its interval, if the predictor is right about itself."""

_NUM_OTHERS = 10_000
"""Number of random architectures to compare with, where a space is too large to list."""

_NUM_SAMPLES, _AT_ONCE = 400, 100
"""Number of score functions: the ends of an interval are then good to about two percent of probability. Few at once, as
each holds a number for every architecture."""


@dataclass(frozen=True)
class Percentiles:
    """Predicted percentiles of N architectures among the others of their space.

    Attributes:
        num_others: M architectures they are compared with: all of an enumerable space, else 10,000 random ones.
        rank: Place by predicted score, 1 is best, int ``[N]``; the place that a search would give it among the others.
        percentile: Percentage of the others that are worse, 0 to 100, ``[N]``: the median over what the predictor
            holds possible, or for one that does not know its uncertainty what it predicts.
        low: Lower end of the interval that holds `COVERAGE` of the probability, ``[N]``; None if there is none.
        high: Upper end of the interval.
    """

    num_others: int
    rank: NDArray[np.int64]
    percentile: NDArray[np.float64]
    low: NDArray[np.float64] | None
    high: NDArray[np.float64] | None


def predict_percentiles(predictor: Predictor, archs: Sequence[Architecture], rng: Generator) -> Percentiles:
    """Predict where N architectures of one space stand in it.

    The uncertainty is that of whole score functions (``predictor.sample_scores``): each of them ranks the architectures
    and the others, so that an interval of percentiles needs no scale of the scores, and exists before any measurement.
    It is the uncertainty of what a network is worth, without the noise of one training.

    Args:
        predictor: One that ranks already.
        archs: N architectures, at least 1.
        rng: Generator of the others and of the score functions.
    """
    asked = Architectures.of(archs)
    space = asked.space
    others = space.enumerate() if space.enumerable else space.sample_many(_NUM_OTHERS, rng)
    everything = Architectures(space, np.concatenate([asked.codes, others.codes]))
    predicted = predictor.predict(everything)
    not_higher = np.searchsorted(np.sort(predicted[len(asked) :]), predicted[: len(asked)], "right")
    rank = 1 + len(others) - not_higher
    sample_scores = getattr(predictor, "sample_scores", None)
    if sample_scores is None:
        return Percentiles(len(others), rank, _percentiles(predicted[None], len(asked))[0], None, None)
    drawn = (sample_scores(everything, _AT_ONCE, rng) for _ in range(_NUM_SAMPLES // _AT_ONCE))
    sampled = np.concatenate([_percentiles(functions, len(asked)) for functions in drawn])
    low, middle, high = np.quantile(sampled, [(1 - COVERAGE) / 2, 0.5, (1 + COVERAGE) / 2], axis=0)
    return Percentiles(len(others), rank, middle, low, high)


def _percentiles(scores: NDArray[np.float64], num_asked: int) -> NDArray[np.float64]:
    """Rank the first columns of ``scores [S, num_asked + M]`` among the others as percentiles ``[S, num_asked]``.

    Half of the equal ones count as below.
    """
    found = np.empty((len(scores), num_asked))
    for row, of_function in zip(found, scores, strict=True):
        others = np.sort(of_function[num_asked:])
        below, not_above = (np.searchsorted(others, of_function[:num_asked], side) for side in ("left", "right"))
        row[:] = 50 * (below + not_above) / len(others)
    return found
