"""Figures over many columns at once, with bootstrap intervals over columns and seeds.

A single column is noise: which cells are its best is decided by the seeds of their trainings. So searchers are judged
by all columns together. Runs are an array ``[searchers, columns, seeds]`` of numbers, lower is better: regrets, or
logarithms of queries to a goal; NaN where a searcher was not run with a seed. Seeds of one column are put together by
their mean (of logarithms for queries: a run that takes ten times longer weighs as much as one that takes a tenth), and
columns by the functions here.

Intervals are of a percentile bootstrap in two stages: columns are drawn with replacement, then for each of them seeds.
Seeds that the same searchers ran are drawn together, so that searchers are compared on the same seeds. The spread over
columns already has some of the spread over seeds in it, so that with few seeds intervals are rather too wide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.experiments.comparison.measures import Interval

__all__ = [
    "Resamples",
    "capped",
    "column_means",
    "column_ratios",
    "geometric_mean",
    "interval_over_columns",
    "intervals_over_columns",
    "mean",
    "profile",
    "ratios_to_best_rival",
    "resample",
    "worst_ratio",
]

Array = NDArray[np.float64]

NUM_RESAMPLES = 1_000
_PERCENTS = (2.5, 97.5)


def capped(queries: Array, budget: int) -> Array:
    """Queries to a goal, where a run that did not reach it (infinite) counts as twice the budget."""
    return np.where(np.isinf(queries), 2.0 * budget, queries)


def column_means(values: Array) -> Array:
    """Mean over the seeds that were run ``[..., columns]``; NaN where a searcher was not run on a column.

    Args:
        values: ``[..., columns, seeds]``.
    """
    ran = ~np.isnan(values)
    count = ran.sum(axis=-1)
    total = np.where(ran, values, 0.0).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def mean(by_column: Array) -> Array:
    """Mean over columns ``[...]``.

    Args:
        by_column: ``[..., columns]``.
    """
    return by_column.mean(axis=-1)  # type: ignore[no-any-return]


def geometric_mean(logarithms: Array) -> Array:
    """Geometric mean over columns ``[...]``.

    Args:
        logarithms: Natural logarithms ``[..., columns]``, such as `column_means` of logarithms of queries.
    """
    return np.exp(logarithms.mean(axis=-1))  # type: ignore[no-any-return]


def column_ratios(by_column: Array, against: Array) -> Array:
    """How many times the other's figure each is; 1 where both are 0, infinite where only the other's is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(by_column == against, 1.0, by_column / against)


def worst_ratio(by_column: Array) -> Array:
    """The largest ratio over columns to the best of the other searchers there ``[..., searchers]``.

    Args:
        by_column: ``[..., searchers, columns]``, of at least two searchers.
    """
    return ratios_to_best_rival(by_column).max(axis=-1)  # type: ignore[no-any-return]


def ratios_to_best_rival(by_column: Array) -> Array:
    """Ratio of each searcher to the best of the others on each column ``[..., searchers, columns]``.

    Args:
        by_column: Of the same shape, of at least two searchers.
    """
    two = np.partition(by_column, 1, axis=-2)[..., :2, :]
    best, second = two[..., :1, :], two[..., 1:, :]  # equal where two searchers share the first rank
    return column_ratios(by_column, np.where(by_column == best, second, best))


def profile(by_column: Array, factors: Array, failed: float = np.inf) -> Array:
    """Performance profile (Dolan and Moré 2002): share of columns within a factor of the best ``[..., searchers, F]``.

    Args:
        by_column: ``[..., searchers, columns]``.
        factors: ``[F]``, at least 1. The best is among all searchers.
        failed: From this figure on a searcher is within no factor, also where nobody did better.
    """
    ratios = column_ratios(by_column, by_column.min(axis=-2, keepdims=True))
    # In both comparisons: means of equal logarithms may differ in their last bits.
    within = (ratios[..., None] <= factors * (1 + 1e-9)) & (by_column < failed * (1 - 1e-9))[..., None]
    return within.mean(axis=-2)  # type: ignore[no-any-return]


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
        """`column_means` in each resample ``[searchers, resamples, columns]``.

        Args:
            values: ``[searchers, columns, seeds]``.
        """
        return np.stack([column_means(one[self.columns[..., None], self.seeds]) for one in values])


def resample(ran: NDArray[np.bool_], rng: np.random.Generator, size: int = NUM_RESAMPLES) -> Resamples:
    """Draw columns with replacement, then seeds of each with replacement among those that the same searchers ran.

    Args:
        ran: Whether a searcher was run on a column with a seed ``[searchers, columns, seeds]``.
        rng: Draws.
        size: Number of resamples.
    """
    _, num_columns, num_seeds = ran.shape
    order = np.empty((num_columns, num_seeds), dtype=np.intp)  # seeds, those of the same searchers side by side
    start, count = np.empty_like(order), np.empty_like(order)  # of the seeds that a position is drawn from
    for column in range(num_columns):
        who = np.unique(ran[:, column], axis=1, return_inverse=True)[1].ravel()
        order[column] = np.argsort(who, kind="stable")
        sizes = np.bincount(who)
        start[column] = np.repeat(np.cumsum(sizes) - sizes, sizes)
        count[column] = np.repeat(sizes, sizes)
    columns = rng.integers(num_columns, size=(size, num_columns))
    drawn = start[columns] + (rng.random((size, num_columns, num_seeds)) * count[columns]).astype(np.intp)
    return Resamples(columns, order[columns[..., None], drawn])


def intervals_over_columns(
    values: Array, statistic: Callable[[Array], Array], rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """A statistic of all searchers, and the 95 % interval of its two-stage bootstrap.

    Args:
        values: ``[searchers, columns, seeds]``.
        statistic: Takes figures by column ``[searchers, columns]``, or ``[resamples, searchers, columns]``, and has the
            searchers, or resamples, in front.
        rng: Draws the resamples.

    Returns:
        Value, low and high. With one column and one seed they are equal.
    """
    value = statistic(column_means(values))
    by_column = resample(~np.isnan(values), rng).column_means(values)
    found = statistic(by_column.swapaxes(0, 1))
    low, high = np.percentile(found, _PERCENTS, axis=0, method="inverted_cdf")  # a ratio may be infinite
    return value, low, high


def interval_over_columns(values: Array, statistic: Callable[[Array], Array], rng: np.random.Generator) -> Interval:
    """`intervals_over_columns` of a statistic that is one number, such as a ratio of two searchers."""
    return Interval(*(float(one) for one in intervals_over_columns(values, statistic, rng)))
