"""One absurd score must not blind what learns to all others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mpnas_ray.tables import clip_outliers, normalize, outlier_limits

usual = st.lists(st.floats(-10, 10), min_size=3, max_size=40)
REGULAR = np.random.default_rng(0).normal(size=30)


def clipped(values: list[float]) -> list[float]:
    return clip_outliers(np.array(values)).tolist()


@given(usual, st.floats(1e5, 1e308), st.floats(1, 1e200))
def test_how_low_an_outlier_is_makes_no_difference(others: list[float], low: float, factor: float) -> None:
    lower = min(low * factor, 1.7e308)
    one, other = (normalize([-depth, *others]) for depth in (low, lower))
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)
    quartile, upper = np.quantile(others, [0.25, 0.75], method="nearest")
    if upper - quartile > 1e-3:  # else the outlier may be no outlier, and all that is left is its difference
        np.testing.assert_array_equal(one, other)


@given(st.lists(st.floats(-1e308, 1e308), max_size=40))
def test_the_order_stays_and_nothing_goes_further_out(values: list[float]) -> None:
    scores = np.array(values)
    low, high = outlier_limits(scores)
    result = clip_outliers(scores)
    order = np.argsort(scores, kind="stable")
    assert (result[order][1:] >= result[order][:-1]).all()
    assert low < high
    np.testing.assert_array_equal(clip_outliers(result), result)
    assert np.isfinite(normalize(scores)).all()


@pytest.mark.parametrize("values", [[], [1.0], [-1e300, 1.0], [5.0] * 7, [-1e300, 5.0, 5.0, 5.0], REGULAR.tolist()])
def test_where_nothing_says_what_is_far_or_nothing_is_values_stay_as_they_are(values: list[float]) -> None:
    assert clipped(values) == values


def test_by_hand() -> None:
    assert clipped([-1e300, 0.0, 1.0]) == [-3.0, 0.0, 1.0]
    assert clipped([1.0, -51.0, 0.0, 1.0]) == [1.0, -3.0, 0.0, 1.0]
    assert clipped([1.0, -50.0, 0.0, 1.0]) == [1.0, -50.0, 0.0, 1.0]  # not further than 50 spreads
    # The other values but the outlier have quartiles 3 and 5; one is further out than 3 spreads, and stays the lowest.
    assert clipped([-1e9, -20.0, 3.0, 4.0, 5.0, 6.0]) == [-20.0, -20.0, 3.0, 4.0, 5.0, 6.0]


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_several_low_outliers_of_thirty_are_moved_at_any_scale(count: int, scale: float) -> None:
    scores = scale * REGULAR
    scores[:count] = -1.7e308 / 10.0 ** np.arange(count)
    result = normalize(scores)
    np.testing.assert_array_equal(np.argsort(result[count:]), np.argsort(REGULAR[count:]))
    assert result[count:].std() > 0.3
    assert np.ptp(result[:count]) == 0


def test_half_of_the_scores_may_be_equal() -> None:
    scores = np.concatenate([[-1e300], np.full(20, 0.1), np.linspace(0.11, 0.9, 9)])
    assert clip_outliers(scores)[0] > -10
    np.testing.assert_array_equal(clip_outliers(scores)[1:], scores[1:])


def test_the_highest_score_is_held_back_and_stays_the_highest() -> None:
    result = clip_outliers(np.append(REGULAR, 1e300))
    assert REGULAR.max() < result[-1] < REGULAR.max() + np.ptp(REGULAR)
    np.testing.assert_array_equal(result[:-1], REGULAR)
    good = np.append(np.linspace(0.1, 0.101, 25), np.linspace(0.2, 0.9, 5))  # few are better than chance: these count
    np.testing.assert_array_equal(clip_outliers(good), good)


@pytest.mark.parametrize("scale", [1e-200, 1e-9, 1e9, 1e200])
def test_units_make_no_difference(scale: float) -> None:
    def outlying(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.append(values, [1e4 * values.min(), 1e4 * values.max()])

    np.testing.assert_allclose(normalize(outlying(scale * REGULAR)), normalize(outlying(REGULAR)), rtol=1e-9)
