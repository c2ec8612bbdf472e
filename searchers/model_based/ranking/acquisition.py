"""Acquisition: the order in which to try candidates, given what a predictor believes.

The rules are those of Frazier 2018, "A Tutorial on Bayesian Optimization".
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import ndtr

from mpnas_ray.checks import require_one_of
from mpnas_ray.predictors.base import Uncertain
from mpnas_ray.spaces import Architectures

__all__ = [
    "ACQUISITIONS",
    "Acquisition",
    "acquire",
    "best_first",
    "expected_improvement",
    "improve_shortlist",
    "upper_confidence_bound",
]

Acquisition = Literal["mean", "ei", "ucb", "thompson"]
"""Greedy, expected improvement, upper confidence bound, Thompson sampling."""

ACQUISITIONS: tuple[Acquisition, ...] = ("mean", "ei", "ucb", "thompson")

UCB_STANDARD_DEVIATIONS = 0.7
"""Number of standard deviations above the mean. On CIFAR-100 of NAS-Bench-201 the best 0.1 % took 6 queries
with 0.7 and 8 with 1.5, in the median of five runs: little more than a guess."""


def expected_improvement(
    mean: NDArray[np.float64], std: NDArray[np.float64], incumbent: float | NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the mean amount by which a normal score exceeds the incumbent, ``[N]`` (Jones et al. 1998, Eq. 15)."""
    std = np.maximum(std, 1e-12)
    z = (mean - incumbent) / std
    improvement: NDArray[np.float64] = std * (z * ndtr(z) + np.exp(-z * z / 2) / np.sqrt(2 * np.pi))
    return improvement


def upper_confidence_bound(mean: NDArray[np.float64], std: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the value ``UCB_STANDARD_DEVIATIONS`` standard deviations above the mean, ``[N]``."""
    return mean + UCB_STANDARD_DEVIATIONS * std


def best_first(values: NDArray[np.float64], ties: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the order of N values, ``[N]``, highest first.

    Trees and expected improvement give many candidates the very same value: without ``ties`` those would be tried as
    the space lists them, which are near neighbours.

    Args:
        values: Values of N candidates, ``[N]``.
        ties: Numbers ``[N]``; among equal values the one with the lower number comes first.
    """
    by_ties = np.argsort(ties, kind="stable")
    return by_ties[np.argsort(-values[by_ties], kind="stable")]


def acquire(
    predictor: Uncertain,
    acquisition: Acquisition,
    archs: Architectures,
    measured: Architectures,
    rng: Generator,
    ties: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return expected scores ``[N]``, and the order in which to try the architectures, ``[N]``.

    Args:
        predictor: Fitted to the architectures ``measured``.
        acquisition: The rule by which a belief becomes an order.
        archs: N candidates.
        measured: Architectures with a score; the incumbent is the best of their expected scores, since scores are
            noisy.
        rng: Draws the functions of Thompson sampling.
        ties: Order of equally good ones, ``[N]``, see `best_first`.

    Raises:
        SettingError: If there is no such rule.
    """
    require_one_of("acquisition", acquisition, ACQUISITIONS)
    if acquisition == "thompson":
        mean = predictor.predict(archs)
        return mean, _thompson_order(predictor.sample_scores(archs, _NUM_SAMPLES, rng), best_first(mean, ties))
    mean, std = predictor.predict_with_std(archs)
    value = mean
    if acquisition == "ei":
        value = expected_improvement(mean, std, predictor.predict_with_std(measured)[0].max())
    elif acquisition == "ucb":
        value = upper_confidence_bound(mean, std)
    return mean, best_first(value, ties)


def improve_shortlist(
    predictor: Uncertain,
    mean: NDArray[np.float64],
    archs: Architectures,
    measured: Architectures,
    unseen: NDArray[np.bool_],
    rng: Generator,
    ties: NDArray[np.int64],
) -> NDArray[np.intp]:
    """Order candidates by expected improvement where standard deviations of all would take too long.

    The improvement is computed for the `_MOST_EXPECTED` unseen candidates of highest mean and `_MORE` random ones; they
    come first, all others follow by their mean.

    Args:
        predictor: Fitted to the architectures ``measured``.
        mean: Expected scores of the candidates by it, ``[N]``.
        archs: N candidates.
        measured: Architectures with a score; the incumbent is the best of their expected scores, since scores are
            noisy.
        unseen: Whether each candidate was not proposed yet, bool ``[N]``.
        rng: Draws the random ones.
        ties: Order of equally good ones, ``[N]``, see `best_first`.

    Returns:
        Rows of the candidates, best first, ``[N]``.
    """
    by_mean = best_first(mean, ties)
    new = by_mean[unseen[by_mean]]
    others = new[_MOST_EXPECTED:]
    short = np.concatenate([new[:_MOST_EXPECTED], rng.permutation(others)[:_MORE]])
    if not len(short):
        return by_mean
    of_short, std = predictor.predict_with_std(archs[short])
    improvement = expected_improvement(of_short, std, float(predictor.predict(measured).max()))
    first = short[best_first(improvement, ties[short])]
    return np.concatenate([first, by_mean[~np.isin(by_mean, first)]])


_MOST_EXPECTED = 800
_MORE = 200
"""Numbers of unseen candidates. On NAS-Bench-201 and TransNAS-Bench-101 the best ones to try were among so many, and
standard deviations of 1,000 take a tenth of the time of those of all."""

_NUM_SAMPLES = 32
"""Number of functions, more than the proposals between two refits; each is a pass over all candidates."""


def _thompson_order(samples: NDArray[np.float64], by_mean: NDArray[np.intp]) -> NDArray[np.intp]:
    """Order the best of each sampled function ``[S, N]`` first, in turn, none twice; then all others in ``[N]``."""
    _, first = np.unique(best := samples.argmax(axis=1), return_index=True)
    first_ones = best[np.sort(first)]
    return np.concatenate([first_ones, np.setdiff1d(by_mean, first_ones, assume_unique=True)])
