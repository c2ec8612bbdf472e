"""Statistics that several parts need: rank correlations, and bootstrap intervals.

Rank correlations give ties their mean rank. Where one of two rankings has no order at all, a correlation is not
defined; it is 0 here, which speaks neither for nor against.

Intervals are of the percentile bootstrap: scipy's where observations are drawn one by one, and our own in two stages
for results of several columns with several seeds each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Interval",
    "Resamples",
    "bootstrap_interval",
    "bootstrap_intervals",
    "column_means",
    "kendall",
    "resample_columns",
    "spearman",
    "two_stage_interval",
    "two_stage_intervals",
]

Array = NDArray[np.float64]

_NUM_RESAMPLES = 1_000
_LEVEL = 0.95
_PERCENTS = (2.5, 97.5)


def spearman(one: ArrayLike, other: ArrayLike) -> Any:
    """Correlate the ranks of two arrays along their last axis (Spearman's rho).

    Args:
        one: Numbers ``[..., N]``, N at least 1; infinite ones may be among them.
        other: Numbers of the same shape.

    Returns:
        A float for two vectors, else float64 ``[...]``, from -1 to 1; 0 where either is constant, NaN where a number
        is NaN.
    """
    first, second = _standard_ranks(one), _standard_ranks(other)
    found = np.mean(first * second, axis=-1)
    return float(found) if found.ndim == 0 else found


def kendall(one: ArrayLike, other: ArrayLike) -> float:
    """Correlate two vectors by the pairs that both order alike (Kendall's tau-b, which corrects for ties).

    Returns:
        From -1 to 1; 0 where either is constant.
    """
    from scipy.stats import kendalltau  # takes a second to import

    first, second = np.asarray(one), np.asarray(other)
    if _is_constant(first) or _is_constant(second):
        return 0.0
    return float(kendalltau(first, second).statistic)


def _standard_ranks(values: ArrayLike) -> Array:
    """Ranks of mean 0 and standard deviation 1 along the last axis; 0 where all values are equal."""
    from scipy.stats import rankdata  # takes a second to import

    ranks = np.asarray(rankdata(np.asarray(values), axis=-1), dtype=np.float64)
    centred = ranks - ranks.mean(axis=-1, keepdims=True)
    std = centred.std(axis=-1, keepdims=True)
    normalised: Array = centred / np.where(std == 0, 1.0, std)
    return normalised


def _is_constant(values: NDArray[Any]) -> bool:
    return not values.size or bool((values == values.flat[0]).all())


@dataclass(frozen=True)
class Interval:
    """A statistic and its 95 % bootstrap interval, which has no width where there is one observation."""

    value: float
    low: float
    high: float


def bootstrap_intervals(
    *samples: Array, statistic: Callable[..., Any], rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Compute a statistic over observations, and its 95 % interval by `scipy.stats.bootstrap`.

    Args:
        *samples: ``[observations, ...]``; of several, observations of one number are drawn together.
        statistic: Takes as many arrays and ``axis``, such as `numpy.median`.
        rng: Draws the resamples.

    Returns:
        Value, low and high, each of the shape of one observation.
    """
    from scipy.stats import bootstrap  # takes a second to import

    value = np.asarray(statistic(*samples, axis=0))
    if len(samples[0]) == 1:
        return value, value, value
    found = bootstrap(
        samples,
        statistic,
        n_resamples=_NUM_RESAMPLES,
        paired=len(samples) > 1,
        vectorized=True,
        axis=0,
        confidence_level=_LEVEL,
        method="percentile",
        rng=rng,
    ).confidence_interval
    return value, np.asarray(found.low), np.asarray(found.high)


def bootstrap_interval(*samples: Array, statistic: Callable[..., Any], rng: np.random.Generator) -> Interval:
    """Compute `bootstrap_intervals` of one number an observation."""
    return Interval(*(float(one) for one in bootstrap_intervals(*samples, statistic=statistic, rng=rng)))


def column_means(values: Array) -> Array:
    """Average over the seeds that were run ``[..., columns]``; NaN where none was run on a column.

    Args:
        values: ``[..., columns, seeds]``, NaN where a seed was not run.
    """
    ran = ~np.isnan(values)
    count = ran.sum(axis=-1)
    total = np.where(ran, values, 0.0).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


@dataclass(frozen=True, eq=False)
class Resamples:
    """Draws of columns and, for each, of seeds.

    Attributes:
        columns: ``[resamples, columns]``.
        seeds: ``[resamples, columns, seeds]``, of the drawn column.
    """

    columns: NDArray[np.intp]
    seeds: NDArray[np.intp]

    def column_means(self, values: Array) -> Array:
        """Compute `column_means` in each resample ``[methods, resamples, columns]``.

        Args:
            values: ``[methods, columns, seeds]``.
        """
        return np.stack([column_means(one[self.columns[..., None], self.seeds]) for one in values])


def resample_columns(ran: NDArray[np.bool_], rng: np.random.Generator, size: int = _NUM_RESAMPLES) -> Resamples:
    """Draw columns with replacement, then seeds of each with replacement among those that the same methods ran.

    Args:
        ran: Whether a method was run on a column with a seed ``[methods, columns, seeds]``.
        rng: Draws.
        size: Number of resamples.
    """
    _, num_columns, num_seeds = ran.shape
    order = np.empty((num_columns, num_seeds), dtype=np.intp)  # seeds, those of the same methods side by side
    start, count = np.empty_like(order), np.empty_like(order)  # the seeds that a position is drawn from
    for column in range(num_columns):
        who = np.unique(ran[:, column], axis=1, return_inverse=True)[1].ravel()
        order[column] = np.argsort(who, kind="stable")
        sizes = np.bincount(who)
        start[column] = np.repeat(np.cumsum(sizes) - sizes, sizes)
        count[column] = np.repeat(sizes, sizes)
    columns = rng.integers(num_columns, size=(size, num_columns))
    drawn = start[columns] + (rng.random((size, num_columns, num_seeds)) * count[columns]).astype(np.intp)
    return Resamples(columns, order[columns[..., None], drawn])


def two_stage_intervals(
    values: Array, statistic: Callable[[Array], Array], rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Compute a statistic over columns and seeds, and the 95 % interval of a bootstrap in two stages.

    Columns are drawn with replacement, then for each of them seeds. The spread over columns already has some of the
    spread over seeds in it, so that with few seeds intervals are rather too wide.

    Args:
        values: ``[methods, columns, seeds]``; NaN where a method was not run with a seed.
        statistic: Takes figures by column ``[methods, columns]``, or ``[resamples, methods, columns]``, and has the
            methods, or resamples, in front.
        rng: Draws the resamples.

    Returns:
        Value, low and high. With one column and one seed they are equal.
    """
    value = statistic(column_means(values))
    by_column = resample_columns(~np.isnan(values), rng).column_means(values)
    found = statistic(by_column.swapaxes(0, 1))
    low, high = np.percentile(found, _PERCENTS, axis=0, method="inverted_cdf")  # a ratio may be infinite
    return value, low, high


def two_stage_interval(values: Array, statistic: Callable[[Array], Array], rng: np.random.Generator) -> Interval:
    """Compute `two_stage_intervals` of a statistic that is one number, such as a ratio of two methods."""
    return Interval(*(float(one) for one in two_stage_intervals(values, statistic, rng)))
