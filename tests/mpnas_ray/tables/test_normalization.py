from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from mpnas_ray.tables import Normalization, TableError, clip_outliers, normalize

KINDS: tuple[Normalization, ...] = ("zscore", "rank")
kinds = st.sampled_from(KINDS)
scores_of_any_size = st.lists(st.floats(-1e300, 1e300), min_size=0, max_size=40)
whole_scores = st.lists(st.integers(-1000, 1000), min_size=2, max_size=40)


@given(scores_of_any_size, kinds)
def test_mean_is_0_and_deviation_1_unless_all_are_equal(scores: list[float], kind: Normalization) -> None:
    result = normalize(scores, kind)

    assert result.shape == (len(scores),)
    assert np.isfinite(result).all()
    if len(set(scores)) > 1:
        assert result.mean() == pytest.approx(0.0, abs=1e-9)
        assert result.std() == pytest.approx(1.0)
    else:
        assert not result.any()


@given(whole_scores, kinds)
def test_order_is_kept(scores: list[int], kind: Normalization) -> None:
    usual = clip_outliers(np.array(scores, dtype=np.float64)) if kind == "zscore" else scores

    result = normalize(scores, kind)

    np.testing.assert_array_equal(np.sign(np.subtract.outer(result, result)), np.sign(np.subtract.outer(usual, usual)))


@given(whole_scores, kinds, st.floats(0.01, 100.0), st.floats(-100.0, 100.0))
def test_scale_and_offset_do_not_matter(scores: list[int], kind: Normalization, scale: float, offset: float) -> None:
    moved = np.asarray(scores) * scale + offset
    assume(len(np.unique(moved)) == len(np.unique(scores)))

    np.testing.assert_allclose(normalize(moved, kind), normalize(scores, kind), atol=1e-6)


@given(whole_scores)
def test_ranks_do_not_change_under_a_monotone_map(scores: list[int]) -> None:
    np.testing.assert_array_equal(normalize(np.asarray(scores) ** 3, "rank"), normalize(scores, "rank"))


@given(st.permutations(range(10)), st.lists(st.integers(0, 5), min_size=10, max_size=10))
def test_correlation_of_ranks_is_spearmans(first: list[int], second: list[int]) -> None:
    assume(len(set(second)) > 1)

    product = normalize(first, "rank") @ normalize(second, "rank") / 10

    assert product == pytest.approx(spearmanr(first, second).statistic)


@given(whole_scores, kinds, st.randoms(use_true_random=False))
def test_a_permutation_permutes_the_result(scores: list[int], kind: Normalization, random: object) -> None:
    order = np.random.default_rng(random.getrandbits(32)).permutation(len(scores))  # type: ignore[attr-defined]

    np.testing.assert_allclose(normalize(np.asarray(scores)[order], kind), normalize(scores, kind)[order], atol=1e-12)


def test_equal_scores_whose_mean_rounds_away_from_them_become_0() -> None:
    assert not normalize([0.1] * 3).any()


def test_the_scores_themselves_stay_as_they_are() -> None:
    scores = np.array([3.0, 1.0])
    for kind in KINDS:
        normalize(scores, kind)

    np.testing.assert_array_equal(scores, [3.0, 1.0])


@pytest.mark.parametrize("scores", [[1.0, np.nan], [np.inf, 0.0], [[1.0, 2.0]]])
def test_what_has_no_scale_is_refused(scores: list[float]) -> None:
    with pytest.raises(TableError, match="finite scores of shape"):
        normalize(scores)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(TableError, match="There are: zscore, rank"):
        normalize([1.0, 2.0], "minmax")  # type: ignore[arg-type]
