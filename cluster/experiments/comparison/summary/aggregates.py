"""Compute figures over many columns at once.

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

import numpy as np
from numpy.typing import NDArray

__all__ = ["capped", "column_ratios", "geometric_mean", "mean", "profile", "ratios_to_best_rival", "worst_ratio"]

Array = NDArray[np.float64]


def capped(queries: Array, budget: int) -> Array:
    """Queries to a goal, where a run that did not reach it (infinite) counts as twice the budget."""
    return np.where(np.isinf(queries), 2.0 * budget, queries)


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
    """Divide figures by the other's: 1 where both are 0, infinite where only the other's is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(by_column == against, 1.0, by_column / against)


def worst_ratio(by_column: Array) -> Array:
    """Return the largest ratio over columns to the best of the other searchers there ``[..., searchers]``.

    Args:
        by_column: ``[..., searchers, columns]``, of at least two searchers.
    """
    return ratios_to_best_rival(by_column).max(axis=-1)  # type: ignore[no-any-return]


def ratios_to_best_rival(by_column: Array) -> Array:
    """Divide each searcher's figure by the best of the others on each column ``[..., searchers, columns]``.

    Args:
        by_column: Figures of the same shape, of at least two searchers.
    """
    two = np.partition(by_column, 1, axis=-2)[..., :2, :]
    best, second = two[..., :1, :], two[..., 1:, :]  # equal where two searchers share the first rank
    return column_ratios(by_column, np.where(by_column == best, second, best))


def profile(by_column: Array, factors: Array, failed: float = np.inf) -> Array:
    """Performance profile (Dolan and Moré 2002): share of columns within a factor of the best ``[..., searchers, F]``.

    Args:
        by_column: ``[..., searchers, columns]``.
        factors: ``[F]``, at least 1. The best is among all searchers.
        failed: Figure from which on a searcher is within no factor, even where none did better.
    """
    ratios = column_ratios(by_column, by_column.min(axis=-2, keepdims=True))
    # In both comparisons: means of equal logarithms may differ in their last bits.
    within = (ratios[..., None] <= factors * (1 + 1e-9)) & (by_column < failed * (1 - 1e-9))[..., None]
    return within.mean(axis=-2)  # type: ignore[no-any-return]
