from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import kendalltau, multivariate_normal, spearmanr

from mpnas_ray.errors import PredictorError
from mpnas_ray.predictors import KernelProcessPredictor
from mpnas_ray.predictors.gp.kernel_process import evidence_bound, log_evidence
from mpnas_ray.predictors.gp.kernels import KERNELS
from mpnas_ray.spaces import Architectures, get_space
from mpnas_ray.tables import load_tasks

SPACE = get_space("nasbench201")
ARCHS = SPACE.sample_many(40, np.random.default_rng(0))
SCORES = (ARCHS.codes == 3).sum(axis=1) + np.random.default_rng(1).normal(scale=0.1, size=40)
OTHERS = SPACE.sample_many(150, np.random.default_rng(2))
SEEDS = st.integers(0, 2**32 - 1)


def fitted(kernel: str = "weisfeiler-lehman", num_inducing: int | None = None) -> KernelProcessPredictor:
    predictor = KernelProcessPredictor(kernel, num_inducing=num_inducing)
    predictor.fit(ARCHS, SCORES)
    return predictor


def covariance_and_noise(predictor: KernelProcessPredictor) -> tuple[NDArray[np.float64], float, NDArray[np.float64]]:
    """Of the measured architectures and then the others, the noise, and the targets."""
    state = predictor.state_dict()
    kernel = KERNELS[predictor.kernel]
    rows = np.concatenate([kernel.describe(ARCHS), kernel.describe(OTHERS)])
    *weights, noise = state["logarithms"].exp().tolist()
    return np.tensordot(weights, kernel.base(rows, rows), axes=1), noise, state["targets"].numpy()


@pytest.mark.parametrize("kernel", list(KERNELS))
def test_the_posterior_is_that_of_the_formula(kernel: str) -> None:
    predictor = fitted(kernel)
    covariance, noise, targets = covariance_and_noise(predictor)
    own, across = covariance[:40, :40] + noise * np.eye(40), covariance[:40, 40:]
    mean, deviation = predictor.predict_with_std(OTHERS)
    assert np.allclose(mean, across.T @ np.linalg.solve(own, targets), atol=1e-8)
    assert np.allclose(mean, predictor.predict(OTHERS))
    exact = covariance[40:, 40:] - across.T @ np.linalg.solve(own, across)
    assert np.allclose(deviation, np.sqrt(np.maximum(np.diag(exact), 0)), atol=1e-6)


@pytest.mark.parametrize("kernel", list(KERNELS))
def test_a_long_list_is_predicted_as_its_parts_are(kernel: str) -> None:
    predictor, archs = fitted(kernel), SPACE.enumerate()[:7_000]
    parts = [predictor.predict_with_std(archs[start : start + 500]) for start in range(0, 7_000, 500)]
    for whole, pieces in zip(predictor.predict_with_std(archs), zip(*parts, strict=True), strict=True):
        assert np.allclose(whole, np.concatenate(pieces), atol=1e-6)


@pytest.mark.parametrize("kernel", list(KERNELS))
def test_sparse_with_all_points_as_inducing_points_is_exact(kernel: str) -> None:
    exact, sparse = fitted(kernel), fitted(kernel, 40)
    assert np.allclose(sparse.state_dict()["logarithms"], exact.state_dict()["logarithms"], atol=0.05)
    for one, other in zip(exact.predict_with_std(OTHERS), sparse.predict_with_std(OTHERS), strict=True):
        assert np.allclose(one, other, atol=0.02)


def test_sparse_with_fewer_points_is_near_and_less_sure() -> None:
    exact, sparse = fitted(), fitted(num_inducing=15)
    sparse.load(exact.state_dict())  # the same hyperparameters
    assert spearmanr(exact.predict(OTHERS), sparse.predict(OTHERS)).statistic > 0.8
    assert sparse.predict_with_std(OTHERS)[1].mean() > exact.predict_with_std(OTHERS)[1].mean()


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.integers(1, 12))
def test_the_bound_is_one_and_is_reached_with_all_points(seed: int, num_inducing: int) -> None:
    rng = np.random.default_rng(seed)
    covariance = np.exp(-np.square(rng.normal(size=(12, 1)) - rng.normal(size=(1, 12))))  # of two sets: not symmetric
    covariance = covariance @ covariance.T + 0.1 * np.eye(12)
    covariance /= np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    targets, noise = rng.normal(size=12), rng.uniform(0.05, 1)
    expected = multivariate_normal(np.zeros(12), covariance + noise * np.eye(12)).logpdf(targets)
    full, wanted = torch.from_numpy(covariance), torch.from_numpy(targets)
    one, s = torch.tensor(1.0, dtype=torch.float64), torch.tensor(noise, dtype=torch.float64)
    evidence = log_evidence(full, s, wanted).item()
    assert np.isclose(evidence - 6 * np.log(2 * np.pi), expected)
    few = evidence_bound(full[:num_inducing, :num_inducing], full[:num_inducing], one, s, wanted).item()
    assert few <= evidence + 1e-6
    assert np.isclose(evidence_bound(full, full, one, s, wanted).item(), evidence, atol=1e-3)


@pytest.mark.parametrize("num_inducing", [None, 40])
@pytest.mark.parametrize("kernel", ["weisfeiler-lehman", "graph-features"])
def test_sampled_functions_have_the_posterior_distribution(kernel: str, num_inducing: int | None) -> None:
    predictor = fitted(kernel, num_inducing)
    mean, deviation = predictor.predict_with_std(OTHERS[:30])
    samples = predictor.sample_scores(OTHERS[:30], 4_000, np.random.default_rng(0))
    covariance, noise, _ = covariance_and_noise(predictor)
    own, across = covariance[:40, :40] + noise * np.eye(40), covariance[:40, 40:70]
    exact = covariance[40:70, 40:70] - across.T @ np.linalg.solve(own, across)
    assert np.abs(samples.mean(axis=0) - mean).max() < 5 * deviation.max() / 4_000**0.5
    assert np.abs(np.cov(samples.T) - exact).max() < 0.12 * exact.max()


def test_more_points_than_hyperparameters_are_sought_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mpnas_ray.predictors.gp.kernel_process._MOST_POINTS", 15)
    assert spearmanr(fitted().predict(OTHERS), (OTHERS.codes == 3).sum(axis=1)).statistic > 0.6


def test_one_absurd_score_counts_as_the_best_or_the_worst_and_no_more() -> None:
    absurd, mild = SCORES.copy(), SCORES.copy()
    absurd[[3, 7]], mild[[3, 7]] = (1e300, -1e300), (SCORES.max() + 1, SCORES.min() - 1)
    predictions = []
    for scores in (absurd, mild):
        predictor = KernelProcessPredictor("graph-features")
        predictor.fit(ARCHS, scores)
        predictions.append(predictor.predict(OTHERS))
    assert np.array_equal(*predictions)


def test_operations_that_compute_nothing_count_for_a_process_of_graph_features() -> None:
    """They take time on a device."""
    same_network = [
        SPACE.parse(f"|nor_conv_3x3~0|+|none~0|{dead}~1|+|none~0|nor_conv_3x3~1|none~2|")
        for dead in ("none", "nor_conv_3x3")
    ]
    one, other = fitted("graph-features").predict(same_network)
    assert one != other


@pytest.mark.data
def test_a_hundred_architectures_rank_nasbench101_by_their_graph_features(tables_folder: Path) -> None:
    task = load_tasks(tables_folder, ["nasbench101/cifar10"])["nasbench101/cifar10"]
    order = np.random.default_rng(0).permutation(len(task))
    predictor = KernelProcessPredictor("graph-features")
    predictor.fit(task.archs[order[:100]], task.scores[order[:100]])
    asked = order[100:2_100]
    assert kendalltau(predictor.predict(task.archs[asked]), task.scores[asked]).statistic >= 0.66


@pytest.mark.data
def test_twenty_architectures_rank_the_rest_of_nasbench201(tables_folder: Path) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(tables_folder / "nasbench201.parquet", columns=["arch_str", "cifar10_test"])
    scores = table["cifar10_test"].to_numpy()
    archs = Architectures.of(table["arch_str"].to_pylist(), SPACE)
    order = np.random.default_rng(0).permutation(len(archs))
    predictor = KernelProcessPredictor("weisfeiler-lehman")
    predictor.fit(archs[order[:20]], scores[order[:20]])
    assert spearmanr(predictor.predict(archs[order[20:]]), scores[order[20:]]).statistic >= 0.75


def test_misuse_is_refused() -> None:
    with pytest.raises(PredictorError, match=r"no kernel 'rbf'. There are: adjacency, paths, weisfeiler-lehman"):
        KernelProcessPredictor("rbf")
    with pytest.raises(PredictorError, match="num_inducing must be at least 1, not 0"):
        KernelProcessPredictor(num_inducing=0)
    state = fitted("paths").state_dict()
    with pytest.raises(PredictorError, match="not the state of a process with kernel weisfeiler-lehman"):
        KernelProcessPredictor().load(state)  # three base kernels, not four
