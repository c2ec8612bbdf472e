"""One absurd score among thirty, as a training that diverges gives it, does not spoil what is learned of the others."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr

from mpnas_ray.catalogue import PREDICTORS, load_predictor, make_predictor
from mpnas_ray.meta_learning.gradient import MetaConfig, MetaPredictor
from mpnas_ray.meta_learning.mixture import MixturePredictor
from mpnas_ray.predictors import GCNConfig
from mpnas_ray.spaces import KINDS, Architectures, get_space

SLOW = ("ngboost", "seminas", "brp-nas")


def data(seed: int, size: int) -> tuple[Architectures, NDArray[np.float64]]:
    """Convolutions are good, the more so the larger they are; nothing else counts but chance."""
    rng = np.random.default_rng(seed)
    archs = get_space("nasbench201").sample_many(size, rng)
    kinds = archs.graphs().kinds
    convolutions = (kinds >= 0) & (kinds <= KINDS.index("linear"))
    larger = (kinds >= KINDS.index("conv3-d1")) & (kinds < KINDS.index("linear"))
    return archs, convolutions.sum(axis=1) + larger.sum(axis=1) + rng.normal(scale=0.1, size=size)


ARCHS, SCORES = data(0, 30)
OTHERS, TRUTH = data(1, 200)
WORST = int(np.argmin(SCORES))


def with_score(row: int, value: float) -> NDArray[np.float64]:
    scores = SCORES.copy()
    scores[row] = value
    return scores


def agreement(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(spearmanr(one, other).statistic)


@pytest.mark.long
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in PREDICTORS])
def test_how_bad_the_worst_of_thirty_is_hardly_changes_a_rank(name: str) -> None:
    """The bound of `normalize`: nothing changes among outliers, and Spearman's correlation with before is above 0.9."""

    def predicted(scores: NDArray[np.float64]) -> NDArray[np.float64]:
        predictor = make_predictor(name, seed=1)
        predictor.fit(ARCHS, scores)
        return predictor.predict(OTHERS)

    bad, absurd = (predicted(with_score(WORST, value)) for value in (-1e3, -1e300))
    np.testing.assert_array_equal(bad, absurd)
    assert agreement(absurd, predicted(SCORES)) > 0.9


@pytest.mark.long
@pytest.mark.parametrize("row", [WORST, 7, int(np.argmax(SCORES))])
@pytest.mark.parametrize("value", [-1e3, -1e12, -1.7e308])
def test_the_default_predictor_ranks_as_without_the_absurd_score(row: int, value: float) -> None:
    before = agreement(load_predictor().adapt(ARCHS, SCORES).predict(OTHERS), TRUTH)
    assert before > 0.96
    assert agreement(load_predictor().adapt(ARCHS, with_score(row, value)).predict(OTHERS), TRUTH) > before - 0.02


def test_three_absurd_scores_of_thirty_neither() -> None:
    scores = SCORES.copy()
    scores[[3, 7, 21]] = [-1e5, -1e9, -1e300]
    assert agreement(load_predictor().adapt(ARCHS, scores).predict(OTHERS), TRUTH) > 0.95


def test_nor_does_an_absurdly_good_one() -> None:
    adapted = load_predictor().adapt(ARCHS, with_score(WORST, 1e300))
    assert agreement(adapted.predict(OTHERS), TRUTH) > 0.95


def test_uncertainty_and_sampled_functions_do_not_depend_on_it() -> None:
    results = []
    for value in (-1e3, -1e300):
        adapted = load_predictor().adapt(ARCHS, with_score(7, value))
        assert isinstance(adapted, MixturePredictor)
        results.append((*adapted.predict_with_std(OTHERS), adapted.sample_scores(OTHERS, 8, np.random.default_rng(0))))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)
        assert np.isfinite(one).all()


def test_gradient_steps_on_distances_survive_it() -> None:
    config = MetaConfig(gcn=GCNConfig(width=8, num_layers=2, dropout=0.0), normalization="zscore")
    one, other = (MetaPredictor(config).adapt(ARCHS, with_score(7, value)).predict(OTHERS) for value in (-1e3, -1e300))
    np.testing.assert_array_equal(one, other)
    assert np.ptp(other) > 0
