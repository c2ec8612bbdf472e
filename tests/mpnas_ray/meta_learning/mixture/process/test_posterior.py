from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.random import default_rng as RNG
from scipy.stats import multivariate_normal
from torch import Tensor

from mpnas_ray.meta_learning.mixture import MixturePredictor
from mpnas_ray.meta_learning.mixture.knowledge import Knowledge, candidates, kernels, mean_functions
from mpnas_ray.meta_learning.mixture.process.posterior import OFFSET_VARIANCE, Evidence, hypothesis_weights, posterior
from mpnas_ray.meta_learning.mixture.process.prior import AMPLITUDES, LOG_SCALE_PRIOR, SCALES, Prior
from mpnas_ray.meta_learning.mixture.process.sampling import sample_posterior
from mpnas_ray.spaces import get_space
from mpnas_ray.tables import normalize

SPACE = get_space("transnasbench101")
ARCHS = SPACE.sample_many(60, np.random.default_rng(3))
NUM_POINTS = 4


@pytest.fixture(scope="module")
def known(predictor: MixturePredictor) -> Knowledge:
    return predictor.known(ARCHS)


@pytest.fixture(scope="module")
def kept(predictor: MixturePredictor) -> Tensor:
    return torch.tensor([True, False, True, True, False])


@pytest.fixture(scope="module")
def log_prior(known: Knowledge, kept: Tensor) -> tuple[Tensor, Tensor]:
    return Prior.start(5).log_weights(candidates(known.reference, kept), NUM_POINTS, 0.0)


@pytest.fixture(scope="module")
def scores() -> Tensor:
    return torch.from_numpy(normalize(np.random.default_rng(5).normal(size=NUM_POINTS)))[None]


def expected(
    support: Knowledge, scores: Tensor, known: Knowledge, kept: Tensor, log_prior: tuple[Tensor, Tensor]
) -> Tensor:
    """Expectations of the posterior for other architectures, ``[S, N]``."""
    between = kernels(support, known, kept).transpose(0, 1)
    return posterior(support, scores, kept, log_prior).mean(mean_functions(known, kept), between)


class BruteForce:
    """Every hypothesis on its own, by the textbook formulas of Gaussian processes."""

    def __init__(self, known: Knowledge, kept: Tensor, log_prior: tuple[Tensor, Tensor], scores: Tensor) -> None:
        support = known[:NUM_POINTS]
        self.kernel = kernels(known, known, kept).numpy()
        self.means = mean_functions(known, kept).numpy()
        self.scores = scores[0].numpy()
        self.weights, self.predicted, self.variances = [], [], []
        n = NUM_POINTS
        alone = kernels(support, support, kept)  # other bits than as a part, on CPUs where BLAS sums by shape
        torch.testing.assert_close(alone, torch.from_numpy(self.kernel[:, :n, :n]), rtol=1e-12, atol=1e-12)
        for (h, amplitude), c, sign, (s, scale) in itertools.product(
            enumerate(AMPLITUDES.numpy()), range(self.means.shape[1]), (0, 1), enumerate(SCALES.numpy())
        ):
            prior = log_prior[0][h] + log_prior[1][c, sign] + LOG_SCALE_PRIOR[s]
            if prior == -torch.inf:
                continue
            covariance = scale**2 * (np.tensordot(amplitude[:-1], self.kernel, 1) + OFFSET_VARIANCE)
            noisy = covariance[:n, :n] + scale**2 * amplitude[-1] * np.eye(n)
            mean = scale * (1 - 2 * sign) * self.means[:, c]
            likelihood = multivariate_normal.logpdf(self.scores, mean[:n], noisy)
            solved = np.linalg.solve(noisy, covariance[:n])
            self.weights.append(float(prior) + likelihood)
            self.predicted.append(mean + (self.scores - mean[:n]) @ solved)
            self.variances.append(np.diag(covariance) - np.einsum("nq,nq->q", covariance[:n], solved))
        weights = np.exp(np.array(self.weights) - max(self.weights))
        self.weights = weights / weights.sum()
        self.mean = self.weights @ np.array(self.predicted)
        self.variance = self.weights @ (np.array(self.variances) + (np.array(self.predicted) - self.mean) ** 2)


@pytest.fixture(scope="module")
def brute_force(known: Knowledge, kept: Tensor, log_prior: tuple[Tensor, Tensor], scores: Tensor) -> BruteForce:
    return BruteForce(known, kept, log_prior, scores)


@pytest.mark.long
def test_weights_are_those_of_every_hypothesis_on_its_own(
    known: Knowledge, kept: Tensor, log_prior: tuple[Tensor, Tensor], scores: Tensor, brute_force: BruteForce
) -> None:
    support = known[torch.arange(NUM_POINTS)[None]]
    weights = hypothesis_weights(Evidence.of(support, scores[None], kept).statistics, log_prior)[0]
    assert weights.sum().item() == pytest.approx(1)
    possible = weights[:, :, log_prior[1][:, 0] > -torch.inf]
    assert np.allclose(possible.flatten(), brute_force.weights, rtol=1e-6, atol=1e-12)


@pytest.mark.long
def test_the_posterior_mean_is_that_of_every_hypothesis_on_its_own(
    known: Knowledge, kept: Tensor, log_prior: tuple[Tensor, Tensor], scores: Tensor, brute_force: BruteForce
) -> None:
    mean = expected(known[:NUM_POINTS], scores, known, kept, log_prior)[0].numpy()
    difference = mean - brute_force.mean  # ours leaves out the offset, the same for all
    assert np.ptp(difference) < 1e-8
    assert np.ptp(mean) > 0.1


@pytest.mark.long
def test_samples_have_the_mean_and_spread_of_the_posterior(
    known: Knowledge, kept: Tensor, log_prior: tuple[Tensor, Tensor], scores: Tensor, brute_force: BruteForce
) -> None:
    sampled = sample_posterior(known[:NUM_POINTS], scores, known, kept, log_prior, 20_000, np.random.default_rng(0))
    error = np.sqrt(brute_force.variance / 20_000)
    assert (np.abs(sampled.mean(axis=0) - brute_force.mean) < 5 * error + 0.02).all()
    assert np.allclose(sampled.std(axis=0), np.sqrt(brute_force.variance), rtol=0.1)


@pytest.mark.long
def test_samples_without_points_have_the_mean_and_covariance_of_the_prior(known: Knowledge, kept: Tensor) -> None:
    """Of differences between architectures, which the wide offset leaves alone."""
    log_prior = Prior.start(5).log_weights(candidates(known.reference, kept), 0, 0.0)
    sampled = sample_posterior(known[:0], torch.empty(1, 0).double(), known, kept, log_prior, 20_000, RNG(0))
    sampled = sampled[:, :6] - sampled[:, 6:12]

    amplitude, mean = (part.exp().numpy() for part in log_prior)
    scale = LOG_SCALE_PRIOR.exp().numpy()
    first, second = scale @ SCALES.numpy(), scale @ SCALES.numpy() ** 2
    functions = mean_functions(known, kept).numpy()
    functions = functions[:6] - functions[6:12]
    expected = first * functions @ (mean[:, 0] - mean[:, 1])
    kernel = np.tensordot(amplitude @ AMPLITUDES[:, :-1].numpy(), kernels(known, known, kept).numpy(), 1)
    difference = np.eye(6, 60) - np.eye(6, 60, k=6)
    covariance = second * (difference @ kernel @ difference.T + (functions * mean.sum(axis=1)) @ functions.T)
    covariance -= np.outer(expected, expected)
    deviation = np.sqrt(np.diag(covariance))
    assert np.abs((sampled.mean(axis=0) - expected) / deviation).max() < 5 / np.sqrt(20_000)
    found = np.cov(sampled.T) / np.outer(deviation, deviation)
    assert np.allclose(found, covariance / np.outer(deviation, deviation), atol=0.12)


def test_the_moments_are_those_of_every_hypothesis_on_its_own(
    known: Knowledge, kept: Tensor, log_prior: tuple[Tensor, Tensor], scores: Tensor, brute_force: BruteForce
) -> None:
    between = kernels(known[:NUM_POINTS], known, kept).transpose(0, 1)
    belief = posterior(known[:NUM_POINTS], scores, kept, log_prior)
    mean, variance = belief.moments(known, mean_functions(known, kept), between)
    assert np.allclose(mean[0], brute_force.mean, atol=0.1)
    assert np.allclose(variance[0].sqrt(), np.sqrt(brute_force.variance), rtol=0.1)


def test_support_sets_and_scales_do_not_see_each_other(
    known: Knowledge, kept: Tensor, log_prior: tuple[Tensor, Tensor]
) -> None:
    rng = np.random.default_rng(0)
    rows = torch.from_numpy(rng.permutation(60)[:12].reshape(3, 4))
    scores = torch.from_numpy(np.stack([[normalize(rng.normal(size=4)) for _ in range(2)] for _ in range(3)]))
    together = hypothesis_weights(Evidence.of(known[rows], scores, kept).statistics, log_prior)
    for one, scale in itertools.product(range(3), range(2)):
        alone = Evidence.of(known[rows[[one]]], scores[[one]][:, [scale]], kept)
        assert torch.allclose(together[one, scale], hypothesis_weights(alone.statistics, log_prior)[0, 0])


def test_without_points_the_prior_decides(known: Knowledge, kept: Tensor, log_prior: tuple[Tensor, Tensor]) -> None:
    mean = expected(known[:0], torch.empty(1, 0).double(), known, kept, log_prior)[0]
    probability = log_prior[1].exp()
    assert torch.allclose(mean, mean_functions(known, kept) @ (probability[:, 0] - probability[:, 1]))


def test_sources_left_out_have_no_influence(
    known: Knowledge, kept: Tensor, log_prior: tuple[Tensor, Tensor], scores: Tensor
) -> None:
    """No leak: what is known of a held-out task may be anything."""
    other = replace(known, ranks=known.ranks + 100 * ~kept, values=known.values - 50 * ~kept)
    means = [expected(of[:NUM_POINTS], scores, of, kept, log_prior) for of in (known, other)]
    assert torch.equal(*means)
    assert torch.equal(mean_functions(known, kept), mean_functions(other, kept))


def test_kernels_are_covariances_of_usual_size(predictor: MixturePredictor, kept: Tensor) -> None:
    known = predictor.known(SPACE.sample_many(400, np.random.default_rng(8)))
    found = kernels(known, known, kept)
    assert torch.allclose(found, found.mT)
    assert (torch.linalg.eigvalsh(found) > -1e-8).all()
    diagonal = found.diagonal(dim1=1, dim2=2).mean(dim=1)
    assert torch.allclose(diagonal, torch.ones(6).double(), atol=0.25)
