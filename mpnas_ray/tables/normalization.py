"""Bring scores of different tasks to one scale, on which one absurd value does not hide all others.

A training that diverges gives a finite, huge loss. Divided by a standard deviation that contains it, all other scores
become one and the same. `clip_outliers` therefore moves such scores to where the others end, and `normalize` begins
with it; whatever learns from scores themselves, rather than from their ranks, calls one of the two.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mpnas_ray.errors import TableError
from mpnas_ray.names import no_such

__all__ = ["Normalization", "clip_outliers", "normal_scores", "normalize", "outlier_limits"]

Normalization = Literal["zscore", "rank"]

_FAR = 50.0
"""Number of spreads from which a score is an outlier: so far that regular scores of NAS tables are none. In samples of
5, 10, 30 and 100 scores of fifteen tables 0.2, 1.2, 0.01 and 0 % have one (500 samples of each); with 20 spreads 2.1,
7.9, 3.4 and 3.4 % have one, as cells that stay at chance lie 15 to 20 interquartile ranges below the quartile on
CIFAR-10."""

_MOVED = 3.0
"""Number of spreads to which an outlier is moved, if the others do not go further (Tukey 1977: "far out").
From 30 points of NAS-Bench-201's CIFAR-100, one of them absurd, linear regression ranks the others with 0.55, 0.53 and
0.50 if moved to 1, 3 and 5 spreads, 0.61 without the absurd one and 0.08 if nothing is moved (8 samples)."""

_SAME = 1e-12
"""Relative difference below which two scores are one, but for rounding."""


def outlier_limits(values: NDArray[np.float64]) -> tuple[float, float]:
    """Find the limits between which N values, of which higher is better, are to be trusted.

    Low outliers are common (failures) and of no interest in themselves, so all of them are moved. Their fence is 50
    interquartile ranges below the lower quartile, both of all values but the lowest; if there is a value below it, the
    limit is 3 ranges below the quartile, or the lowest value within the fence if that is lower. So the limit does not
    depend on how low the outliers are, as long as they are less than a quarter of the values (with fewer than six
    values: as long as there is one). Where more than half of the values are equal, so that the quartiles are one, the
    eighths, sixteenths, ... take their part.

    High outliers are rare, and may be what a search is for, so only the highest value is held back, and stays the
    highest: if it is more than 50 times as far above the second highest as that is above the lower quartile, the limit
    is one such distance above the second highest. Two values that are absurdly high are left as they are.

    Args:
        values: Finite, ``[N]``.

    Returns:
        The lower and the upper limit; infinite with fewer than three values or if all values but one are equal, since
        there is no scale then to say what is far.
    """
    ordered = np.sort(values)
    if len(ordered) < 3:
        return -np.inf, np.inf
    with np.errstate(over="ignore"):  # a limit beyond all numbers is infinite
        low, high = -np.inf, np.inf
        quartile, spread = _quartile_and_spread(ordered[1:])
        if spread > 0:
            low = quartile - _FAR * spread
            if ordered[0] < low:
                low = min(ordered[ordered >= low][0], quartile - _MOVED * spread)
        others = np.maximum(ordered[:-1], low)
        quartile, spread = _quartile_and_spread(others)
        if spread > 0:
            reach = others[-1] - quartile
            high = others[-1] + _FAR * reach
            if ordered[-1] > high:
                high = others[-1] + reach
    return float(low), float(high)


def clip_outliers(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Clip finite values ``[N]`` to their `outlier_limits`; values without outliers come as they are.

    Making an outlier still lower changes nothing in the result, to the last bit, nor in what is learned from it. Where
    the lowest of thirty scores becomes an outlier, every predictor of `mpnas_ray.predictors.PREDICTORS` ranks other
    architectures as before: with Spearman's correlation above 0.9 (0.94 or more on the made-up scores of the tests,
    1.00 for ``mp-nas``). A low score that is no outlier counts as it is.
    """
    return np.clip(values, *outlier_limits(values))


def normalize(scores: ArrayLike, kind: Normalization = "zscore") -> NDArray[np.float64]:
    """Bring scores ``[N]`` to mean 0 and standard deviation 1, in the same order; all equal scores become 0.

    Nothing but ``scores`` is looked at, so what must not be seen (query points, test architectures) must not be passed.

    Args:
        scores: Finite numbers, shape [N], of any size, higher is better.
        kind: ``zscore`` keeps distances, but for outliers, which it clips first (`clip_outliers`): what learns from the
            result is the same for any value of an outlier. ``rank`` replaces the scores by their ranks first, ties
            sharing their mean rank, so that only the order counts and the correlation of two results is Spearman's.

    Raises:
        TableError: If a score is not finite, the shape is not [N], or there is no such kind.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise TableError(
            f"normalize needs finite scores of shape [N]; got shape {list(values.shape)}, or NaN among them."
        )
    if kind not in get_args(Normalization):
        raise TableError(no_such("normalisation", kind, get_args(Normalization)))
    if not values.size or values.min() == values.max():
        return np.zeros_like(values)  # not where std is 0: the mean of equal numbers may round away from them
    if kind == "rank":
        from scipy.stats import rankdata  # takes a second to import

        values = np.asarray(rankdata(values), dtype=np.float64)
    else:
        values = clip_outliers(values)
        # So that squares neither overflow nor vanish. A power of two leaves every digit as it was.
        values = np.ldexp(values, -np.frexp(np.abs(values).max())[1])
    centred = values - values.mean()
    normalised: NDArray[np.float64] = centred / centred.std()
    return normalised


def normal_scores(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map scores ``[N]`` to the quantiles of a standard normal at (rank - 1/2) / N; ties share their mean rank."""
    from scipy.special import ndtri
    from scipy.stats import rankdata  # takes a second to import

    return np.asarray(ndtri((rankdata(scores) - 0.5) / len(scores)), dtype=np.float64)


def _quartile_and_spread(ordered: NDArray[np.float64]) -> tuple[float, float]:
    """Return the lower quartile of ascending values, and how far the upper one is above it, 0 if all are equal.

    Quartiles are values of the sample, the outer ones of two; where they are equal, eighths, sixteenths, ... follow.
    """
    depth = (len(ordered) - 1) // 4
    while not _differ(ordered[depth], ordered[-1 - depth]) and depth > 0:
        depth //= 2
    low, high = float(ordered[depth]), float(ordered[-1 - depth])
    return low, high - low if _differ(low, high) else 0.0


def _differ(low: float, high: float) -> bool:
    return high - low > _SAME * max(abs(low), abs(high))
