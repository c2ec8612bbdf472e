"""Rank correlations beside scipy's, and bootstrap intervals beside the normal theory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, spearmanr

from mpnas_ray.stats import (
    Interval,
    bootstrap_interval,
    bootstrap_intervals,
    column_means,
    kendall,
    resample_columns,
    spearman,
    two_stage_interval,
)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_correlations_by_hand() -> None:
    scores = np.array([1.0, 2.0, 3.0, 4.0])
    assert spearman(scores**3, scores) == pytest.approx(1)
    assert spearman([1, 3, 2, 4], scores) == pytest.approx(0.8)
    assert kendall([1, 3, 2, 4], scores) == pytest.approx(4 / 6)
    assert spearman([-np.inf, 2, 3, np.inf], scores) == pytest.approx(1)
    assert np.isnan(spearman([np.nan, 2, 3, 4], scores))


def test_where_there_is_no_order_a_correlation_is_0() -> None:
    for one, other in (([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [0.1, 0.1, 0.1]), ([1], [2])):
        assert spearman(one, other) == 0
        assert kendall(one, other) == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=20))
def test_correlations_are_those_of_scipy_with_ties(pairs: list[tuple[int, int]]) -> None:
    one, other = np.array(pairs, dtype=np.float64).T
    if np.ptp(one) and np.ptp(other):
        assert spearman(one, other) == pytest.approx(spearmanr(one, other).statistic)
        assert kendall(one, other) == pytest.approx(kendalltau(one, other).statistic)


def test_rows_are_correlated_each_by_itself() -> None:
    one, other = rng().normal(size=(2, 3, 4, 7))
    one[0, 0] = 1.0
    found = spearman(one, other)
    assert found.shape == (3, 4)
    for index in np.ndindex(3, 4):
        assert found[index] == spearman(one[index], other[index]), "to the last bit"


def test_bootstrap_intervals() -> None:
    draws = rng()
    values = draws.normal(3, 2, size=(400, 2))
    mean, low, high = bootstrap_intervals(values, statistic=np.mean, rng=draws)
    np.testing.assert_array_equal(mean, values.mean(axis=0))
    np.testing.assert_allclose((high - low) / 2, 1.96 * values.std(axis=0) / 20, rtol=0.15)  # the normal theory
    assert bootstrap_interval(np.array([4.0]), statistic=np.median, rng=draws) == Interval(4, 4, 4)
    same = bootstrap_interval(np.full(20, 4.0), statistic=np.median, rng=draws)
    assert (same.low, same.high) == (4, 4)
    of_two = bootstrap_interval(np.array([0.0, 1.0]), statistic=np.mean, rng=draws)
    assert (of_two.value, of_two.low, of_two.high) == (0.5, 0, 1)


def test_observations_of_two_samples_are_drawn_together() -> None:
    def ratio(one: np.ndarray, other: np.ndarray, axis: int) -> np.ndarray:
        return np.asarray(one.mean(axis=axis) / other.mean(axis=axis))

    values = rng().uniform(1, 9, size=30)
    found = bootstrap_interval(values, 2 * values, statistic=ratio, rng=rng())
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))


def test_a_seed_that_was_not_run_does_not_count() -> None:
    np.testing.assert_array_equal(
        column_means(np.array([[2.0, 4.0, np.nan], [1.0, np.nan, np.nan], [np.nan] * 3])), [3, 1, np.nan]
    )


def test_seeds_that_both_ran_are_drawn_together() -> None:
    ran = np.zeros((2, 3, 6), dtype=bool)
    ran[0, :, :2] = True
    ran[1, :, :5] = True
    drawn = resample_columns(ran, rng(), size=500)
    of_both = drawn.seeds < 2
    assert (of_both.sum(axis=-1) == 2).all(), "as many of them as there are"
    assert ((drawn.seeds >= 2) & (drawn.seeds < 5)).sum() == 500 * 3 * 3
    assert set(np.unique(drawn.columns)) == {0, 1, 2}
    assert len(np.unique(np.sort(drawn.seeds, axis=-1).reshape(-1, 6), axis=0)) == 3 * 10, "all there are, by chance"

    noisy = rng().normal(3, 1, size=(4, 8))
    twice = np.stack([noisy, noisy + np.log(2)])
    ratio = two_stage_interval(
        twice, lambda by_column: np.exp((by_column[..., 0, :] - by_column[..., 1, :]).mean(axis=-1)), rng()
    )
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((0.5, 0.5, 0.5)), "no luck of seeds is left in it"


@pytest.mark.parametrize(
    ("columns", "seeds", "of_column", "of_seed"), [(60, 3, 2.0, 0.0), (1, 300, 0.0, 2.0), (60, 5, 1.0, 2.0)]
)
def test_intervals_are_those_of_the_normal_theory(columns: int, seeds: int, of_column: float, of_seed: float) -> None:
    """Where seeds are drawn too, the variance over columns has theirs in it already, and theirs is added once more."""
    draws = np.random.default_rng(3)
    values = draws.normal(0, of_column, (1, columns, 1)) + draws.normal(0, of_seed, (1, columns, seeds))
    found = two_stage_interval(values, lambda by_column: by_column.mean(axis=-1)[..., 0], rng())
    between_columns = values.mean(axis=-1).var() / columns
    within = values.var(axis=-1).mean() / seeds / columns
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * (between_columns + within) ** 0.5, rel=0.15)
    assert found.low < found.value < found.high


def test_one_column_and_one_seed_have_no_interval() -> None:
    one = two_stage_interval(np.array([[[3.0]]]), lambda by_column: by_column.mean(axis=-1)[..., 0], rng())
    assert one == Interval(3.0, 3.0, 3.0)
