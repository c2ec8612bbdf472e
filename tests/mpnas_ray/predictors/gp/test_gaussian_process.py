from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import check_grad
from scipy.stats import multivariate_normal, spearmanr

from mpnas_ray.errors import PredictorError
from mpnas_ray.predictors import GaussianProcessPredictor, GaussianProcessPrior, Predictor
from mpnas_ray.predictors.gp.categorical_kernel import differing, kernel, prior_functions
from mpnas_ray.predictors.gp.gaussian_process import most_probable, negative_log_density
from mpnas_ray.spaces import KINDS, SPACE_NAMES, Architectures, get_space
from mpnas_ray.tables.normalization import normal_scores

SPACE = get_space("nasbench201")
CELLS = SPACE.enumerate()
ARCHS = SPACE.sample_many(30, np.random.default_rng(0))
SCORES = (ARCHS.codes == 3).sum(axis=1) + np.random.default_rng(1).normal(scale=0.1, size=30)

seeds = st.integers(0, 2**32 - 1)


def fitted(archs: Architectures = ARCHS, scores: NDArray[np.float64] = SCORES) -> GaussianProcessPredictor:
    predictor = GaussianProcessPredictor()
    predictor.fit(archs, scores)
    return predictor


def with_hyperparameters(
    archs: Architectures, targets: list[float], weights: list[float], amplitude: float, noise: float
) -> GaussianProcessPredictor:
    """A predictor whose hyperparameters are given, not found."""
    predictor = fitted(archs, np.arange(len(archs), dtype=float))
    state = predictor.state_dict()
    state["targets"] = torch.tensor(targets, dtype=torch.float64)
    state["logarithms"] = torch.tensor([*weights, amplitude, noise], dtype=torch.float64).log()
    predictor.load(state)
    return predictor


def cells(*rows: list[int]) -> Architectures:
    return Architectures(SPACE, np.array(rows, dtype=np.int8))


def test_is_a_predictor() -> None:
    assert isinstance(GaussianProcessPredictor(), Predictor)


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_the_kernel_is_the_product_over_choices(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = (rng.integers(-1, 4, size=(n, 5), dtype=np.int8) for n in (7, 4))
    weights = rng.exponential(size=5)
    product = np.ones((7, 4))
    for choice, weight in enumerate(weights):
        product *= np.where(first[:, None, choice] == second[None, :, choice], 1, np.exp(-weight))
    assert np.allclose(kernel(first, second, weights), product, rtol=1e-12)
    assert np.allclose(np.exp(-np.tensordot(weights, differing(first), 1)), kernel(first, first, weights))


def test_posterior_of_one_point_by_hand() -> None:
    predictor = with_hyperparameters(cells([0, 0, 0, 0, 0, 0]), [1.5], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 2.0, 0.5)
    mean, deviation = predictor.predict_with_std(cells([0, 0, 0, 0, 0, 0], [1, 0, 0, 4, 0, 0]))
    near = 2 * np.exp(-0.1 - 0.4)
    assert np.allclose(mean, [2 / 2.5 * 1.5, near / 2.5 * 1.5])
    assert np.allclose(deviation**2, [2 - 2 * 2 / 2.5, 2 - near**2 / 2.5])


def test_posterior_of_two_points_by_hand() -> None:
    archs = cells([0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0])
    predictor = with_hyperparameters(archs, [1.0, -1.0], [0.5] * 6, 1.0, 0.1)
    c = np.exp(-0.5)
    # The inverse of [[1.1, c], [c, 1.1]] is [[1.1, -c], [-c, 1.1]] / (1.21 - c^2); the third cell is as near to both.
    mean, deviation = predictor.predict_with_std(cells([0, 0, 0, 0, 0, 0], [2, 0, 0, 0, 0, 0]))
    assert np.allclose(mean, [(1 - c) * (1.1 + c) / (1.21 - c**2), 0])
    assert np.allclose(
        deviation**2, [1 - (1.1 - 2 * c * c + 1.1 * c * c) / (1.21 - c**2), 1 - 2 * c**2 * (1.1 - c) / (1.21 - c**2)]
    )


@settings(deadline=None, max_examples=15)
@given(seeds)
def test_the_density_and_its_gradient(seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 3, size=(8, 4), dtype=np.int8)
    targets, prior = rng.standard_normal(8), GaussianProcessPrior()
    pairs, point = differing(codes), prior.medians(4) + rng.normal(size=6)
    point[-1] = max(point[-1], np.log(0.01))  # differences are too coarse where there is hardly any noise

    def value(logarithms: NDArray[np.float64]) -> float:
        return negative_log_density(logarithms, pairs, targets, prior)[0]

    def expected(logarithms: NDArray[np.float64]) -> float:
        *weights, amplitude, noise = np.exp(logarithms)
        covariance = amplitude * kernel(codes, codes, np.array(weights)) + noise * np.eye(8)
        believed = multivariate_normal(prior.medians(4), prior.standard_deviation**2 * np.eye(6)).logpdf(logarithms)
        return float(-multivariate_normal(np.zeros(8), covariance).logpdf(targets) - believed)

    assert np.isclose(value(point) - value(prior.medians(4)), expected(point) - expected(prior.medians(4)))
    gradient = negative_log_density(point, pairs, targets, prior)[1]
    error = check_grad(value, lambda at: negative_log_density(at, pairs, targets, prior)[1], point)
    assert error < 1e-3 * max(1, np.abs(gradient).max())


def test_the_hyperparameters_are_a_maximum_and_tell_which_choices_matter() -> None:
    rng = np.random.default_rng(0)
    archs = SPACE.sample_many(150, rng)
    worth = rng.normal(size=(2, 5))
    targets = normal_scores(worth[0, archs.codes[:, 0]] + worth[1, archs.codes[:, 3]] + rng.normal(scale=0.2, size=150))
    prior = GaussianProcessPrior()
    found = most_probable(archs.codes, targets, prior)
    _, gradient = negative_log_density(found, differing(archs.codes), targets, prior)
    assert np.abs(gradient).max() < 0.05
    weights = found[:6]
    assert min(weights[0], weights[3]) > max(weights[[1, 2, 4, 5]])


def test_normal_scores() -> None:
    assert np.allclose(normal_scores(np.array([3.0, 1.0, 2.0])), [0.9674216, -0.9674216, 0])  # quantile of 5/6
    assert np.allclose(normal_scores(np.array([5.0, 5.0])), 0)


@settings(deadline=None, max_examples=10)
@given(seeds)
def test_neither_the_order_of_points_nor_a_rising_transformation_matters(seed: int) -> None:
    order = np.random.default_rng(seed).permutation(30)
    expected = fitted().predict_with_std(CELLS[:500])
    for other in (fitted(ARCHS[order], SCORES[order]), fitted(scores=1e6 * SCORES - 3), fitted(scores=np.exp(SCORES))):
        assert np.allclose(other.predict_with_std(CELLS[:500]), expected, atol=1e-3)


def test_a_list_of_architectures_is_as_good_as_a_batch() -> None:
    predictor = GaussianProcessPredictor()
    predictor.fit(list(ARCHS), SCORES.tolist())
    assert np.array_equal(predictor.predict(list(CELLS[:50])), fitted().predict(CELLS[:50]))
    assert predictor.predict([]).shape == (0,)


@pytest.mark.parametrize("scores", [[3.0], [1.0, 1.0], [2.0] * 7])
def test_without_a_difference_it_is_the_prior(scores: list[float]) -> None:
    predictor = fitted(ARCHS[: len(scores)], np.array(scores))
    mean, deviation = predictor.predict_with_std(CELLS[:100])
    assert np.all(mean == 0)
    assert np.all(deviation > 0)
    assert np.isfinite(predictor.sample_scores(CELLS[:100], 3, np.random.default_rng(0))).all()


def test_two_points_are_ranked_and_the_deviation_grows_with_the_distance() -> None:
    archs = cells([0, 0, 0, 0, 0, 0], [3, 3, 3, 3, 3, 3])
    mean, deviation = fitted(archs, np.array([0.0, 1.0])).predict_with_std(
        cells([0, 0, 0, 0, 0, 0], [3, 3, 3, 3, 3, 3], [3, 3, 3, 3, 3, 1], [3, 3, 3, 3, 1, 1])
    )
    assert mean[0] < 0 < mean[3] < mean[2] < mean[1]
    assert deviation[1] < deviation[2] < deviation[3]


def test_choices_that_never_vary_are_harmless() -> None:
    codes = ARCHS.codes.copy()
    codes[:, 3:] = 2
    predictor = fitted(Architectures(SPACE, codes), (codes == 3).sum(axis=1) + np.linspace(0, 0.1, 30))
    mean, deviation = predictor.predict_with_std(CELLS)
    assert np.isfinite(mean).all()
    same, others = (CELLS.codes[:, 3:] == 2).all(axis=1), (CELLS.codes[:, 3:] != 2).all(axis=1)
    assert deviation[same].max() < deviation[others].min()


@pytest.mark.parametrize("space", SPACE_NAMES)
def test_every_space(space: str) -> None:
    rng = np.random.default_rng(0)
    archs = get_space(space).sample_many(80, rng)
    graphs = archs.graphs()
    convolutions = (graphs.kinds >= 0) & (graphs.kinds <= KINDS.index("linear"))
    sizes = convolutions.sum(axis=1) + (0 if graphs.attributes is None else graphs.attributes.sum(axis=(1, 2)))
    scores = sizes + rng.normal(scale=0.1, size=80)
    predictor = fitted(archs[:60], scores[:60])
    assert spearmanr(predictor.predict(archs[60:]), scores[60:]).statistic > 0.3
    assert np.isfinite(predictor.sample_scores(archs, 2, rng)).all()


@pytest.mark.long
@pytest.mark.parametrize("space", ["transnasbench101", "nasbench101"])
def test_functions_of_the_prior_have_the_kernel_as_covariance(space: str) -> None:
    """NAS-Bench-101's grid of choices is too large to list, so that its functions are made of features."""
    rng = np.random.default_rng(0)
    codes = get_space(space).sample_codes(8, rng)
    weights = rng.exponential(scale=2 / codes.shape[1], size=codes.shape[1])
    functions = np.concatenate([prior_functions(codes, weights, 500, rng) for _ in range(8)])
    # 4,000 draws: the standard error of a covariance is 0.022 at most; features add 1 / sqrt(8 * 2048) = 0.008.
    assert np.abs(functions.T @ functions / len(functions) - kernel(codes, codes, weights)).max() < 0.09
    assert np.abs(functions.mean(axis=0)).max() < 0.07


def test_sampled_functions_have_the_posterior_distribution() -> None:
    archs = get_space("transnasbench101").enumerate()[::400]
    predictor = fitted(archs[:6], SCORES[:6])
    samples = predictor.sample_scores(archs, 4_000, np.random.default_rng(0))
    mean, deviation = predictor.predict_with_std(archs)
    assert samples.shape == (4_000, len(archs))
    assert np.abs(samples.mean(axis=0) - mean).max() < 0.07

    state = {name: tensor.numpy() for name, tensor in predictor.state_dict().items()}
    *weights, amplitude, noise = np.exp(state["logarithms"])
    prior = amplitude * kernel(archs.codes, archs.codes, np.array(weights))
    exact = prior - prior[:, :6] @ np.linalg.solve(prior[:6, :6] + noise * np.eye(6), prior[:6])
    assert np.allclose(np.sqrt(np.diag(exact)), deviation)
    assert np.abs(np.cov(samples.T) - exact).max() < 0.1
    assert np.abs(prior - exact).max() > 0.5


def test_samples_follow_from_the_generator() -> None:
    predictor = fitted()
    one, same, other = (predictor.sample_scores(CELLS[:20], 2, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.allclose(one, other)


def test_state_carries_over() -> None:
    predictor, other = fitted(), GaussianProcessPredictor()
    state = predictor.state_dict()
    assert all(tensor.device.type == "cpu" for tensor in state.values())
    other.load(state)
    expected = predictor.predict_with_std(CELLS[:100])
    assert np.array_equal(other.predict_with_std(CELLS[:100]), expected)
    predictor.fit(ARCHS[:5], SCORES[:5])  # the copy is its own
    assert np.array_equal(other.predict_with_std(CELLS[:100]), expected)


@pytest.mark.parametrize("copied", [deepcopy, lambda predictor: cloudpickle.loads(cloudpickle.dumps(predictor))])
def test_copies_are_independent(copied: Callable[[GaussianProcessPredictor], GaussianProcessPredictor]) -> None:
    predictor = fitted()
    expected = predictor.predict(CELLS[:100])
    copy = copied(predictor)
    assert np.array_equal(copy.predict(CELLS[:100]), expected)
    copy.fit(ARCHS[:4], -SCORES[:4])
    assert np.array_equal(predictor.predict(CELLS[:100]), expected)
    copied(GaussianProcessPredictor()).fit(ARCHS, SCORES)


@pytest.mark.parametrize("damage", ["missing", "short", "of another space"])
def test_a_damaged_state_is_refused_and_changes_nothing(damage: str) -> None:
    predictor = fitted()
    state = predictor.state_dict()
    if damage == "missing":
        del state["targets"]
    elif damage == "short":
        state["targets"] = state["targets"][:-1]
    else:
        state["space"] = torch.tensor(list(b"nasbench101"), dtype=torch.uint8)
    expected = predictor.predict(CELLS[:10])
    with pytest.raises(PredictorError, match="not the state of a GaussianProcessPredictor"):
        predictor.load(state)
    assert np.array_equal(predictor.predict(CELLS[:10]), expected)


@pytest.mark.parametrize("scores", [[], [1.0, 2.0], [1.0, 2.0, float("nan")]])
def test_unusable_scores_are_refused(scores: list[float]) -> None:
    with pytest.raises(PredictorError, match="finite score for each"):
        GaussianProcessPredictor().fit(ARCHS[: 3 if scores else 0], scores)


def test_asking_too_early_or_about_another_space_is_refused() -> None:
    with pytest.raises(PredictorError, match="call fit first"):
        GaussianProcessPredictor().predict(ARCHS)
    with pytest.raises(PredictorError, match=r"architectures of nasbench201; it cannot rank those of transnasbench101"):
        fitted().predict(get_space("transnasbench101").enumerate())


@pytest.mark.data
def test_a_hundred_architectures_rank_the_rest_of_nasbench201(tables_folder: Path) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(tables_folder / "nasbench201.parquet", columns=["arch_str", "cifar10_test"])
    scores = table["cifar10_test"].to_numpy()
    archs = Architectures.of(table["arch_str"].to_pylist(), SPACE)
    order = np.random.default_rng(0).permutation(len(archs))
    seen, unseen = order[:100], order[100:]
    predictor = fitted(archs[seen], scores[seen])
    mean, deviation = predictor.predict_with_std(archs[unseen])
    assert spearmanr(mean, scores[unseen]).statistic >= 0.78
    # It knows where it is unsure: errors in ranks are larger where the deviation is.
    ranks = normal_scores(scores[unseen])
    assert spearmanr(np.abs(ranks - mean), deviation).statistic > 0.05
