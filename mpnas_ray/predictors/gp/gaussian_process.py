"""A Gaussian process over the choices of an architecture: the strongest plain baseline of a meta-learned predictor.

The kernel k has one length scale a choice (`mpnas_ray.predictors.gp.categorical_kernel`); with amplitude a and noise s,
the covariance of the normal scores is a k(x, y), and s more for a score with itself. These hyperparameters are the most
probable ones, found with the gradient written out (Rasmussen and Williams 2006, Eq. 5.9).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mpnas_ray.checks import make_plain, require_instance, require_number
from mpnas_ray.errors import PredictorError
from mpnas_ray.predictors.gp.categorical_kernel import differing, kernel, prior_functions
from mpnas_ray.predictors.gp.process import (
    Conditioned,
    Floats,
    ProcessPredictor,
    Rows,
    most_probable_logarithms,
    require_shape,
)
from mpnas_ray.spaces import Architectures

__all__ = ["ConditionedOnChoices", "GaussianProcessPredictor", "GaussianProcessPrior", "most_probable"]

_MOST_ITERATIONS = 100


@dataclass(frozen=True)
class GaussianProcessPrior:
    """Log-normal beliefs about the hyperparameters: their medians, and the standard deviation of every logarithm.

    Chosen by replays with expected improvement on ten columns of the NAS-Bench-201 and TransNAS-Bench-101 tables, 4 to
    7 seeds: the geometric mean of the queries until the top 0.1 % was 40 with a weight of 2, against 42 with 1 and 46
    with 4, and 38 with a standard deviation of 1 after five random points, against 45 with 0.5. A noise of 0.1 is no
    worse.

    Attributes:
        weight: Sum of all w_i, of which each choice has an equal part before anything was measured.
        amplitude: Variance that the choices explain, in units of the normal scores.
        noise: Variance that they do not.
        standard_deviation: Standard deviation of the natural logarithms of each w_i, the amplitude and the noise.

    Raises:
        PredictorError: Unless all are above 0.
    """

    weight: float = 2.0
    amplitude: float = 1.0
    noise: float = 0.02
    standard_deviation: float = 1.0

    def __post_init__(self) -> None:
        make_plain(self)
        for name, value in vars(self).items():
            require_number(f"GaussianProcessPrior.{name}", value, above=0, error=PredictorError)

    def medians(self, num_choices: int) -> Floats:
        """Return the logarithms of the medians of w_1, ..., w_L, amplitude and noise: ``[L + 2]``."""
        return np.log([self.weight / num_choices] * num_choices + [self.amplitude, self.noise])


@dataclass(frozen=True, eq=False)
class ConditionedOnChoices(Conditioned):
    """A process over choices that has seen n targets; `of` makes one.

    Attributes:
        whitening: Inverse of the lower Cholesky factor of the targets' covariance, ``[n, n]``.
        solved: covariance^-1 targets, ``[n]``.
    """

    whitening: Floats
    solved: Floats

    block = 4_096

    @classmethod
    def of(cls, support: Architectures, targets: Floats, logarithms: Floats) -> ConditionedOnChoices:
        """Let a process with the hyperparameters of `most_probable`, ``[L + 2]``, see targets ``[n]``."""
        from scipy.linalg import solve_triangular

        weights, amplitude, noise = _parts(logarithms)
        unit = np.eye(len(targets))
        covariance = amplitude * kernel(support.codes, support.codes, weights) + noise * unit
        whitening = np.asarray(solve_triangular(np.linalg.cholesky(covariance), unit, lower=True), dtype=np.float64)
        return cls(support, targets, logarithms, whitening, whitening.T @ (whitening @ targets))

    def describe(self, archs: Architectures) -> NDArray[np.int8]:
        """Return the choices themselves, ``[N, L]``."""
        return archs.codes

    def mean(self, rows: Rows) -> Floats:
        """See `Conditioned.mean`."""
        return self.solved @ self._covariance(rows)

    def moments(self, rows: Rows) -> tuple[Floats, Floats]:
        """See `Conditioned.moments`."""
        covariance = self._covariance(rows)
        explained = self.whitening @ covariance
        _, amplitude, _ = _parts(self.logarithms)
        return self.solved @ covariance, amplitude - np.einsum("nq,nq->q", explained, explained)

    def prior_functions(self, rows: Rows, num: int, rng: Generator) -> Floats:
        """See `Conditioned.prior_functions`; exact in NAS-Bench-201, -ASR and TransNAS-Bench-101."""
        weights, amplitude, _ = _parts(self.logarithms)
        return math.sqrt(amplitude) * prior_functions(rows, weights, num, rng)

    def weigh(self, residuals: Floats) -> Floats:
        """See `Conditioned.weigh`."""
        weights: Floats = residuals @ self.whitening.T @ self.whitening
        return weights

    def correct(self, weights: Floats, rows: Rows) -> Floats:
        """See `Conditioned.correct`."""
        scales, amplitude, _ = _parts(self.logarithms)
        corrections: Floats = amplitude * (weights @ kernel(self.support.codes, rows, scales))
        return corrections

    @property
    def noise(self) -> float:
        """See `Conditioned.noise`."""
        return _parts(self.logarithms)[2]

    def _covariance(self, rows: Rows) -> Floats:
        weights, amplitude, _ = _parts(self.logarithms)
        return amplitude * kernel(self.support.codes, rows, weights)


class GaussianProcessPredictor(ProcessPredictor[ConditionedOnChoices]):
    """A Gaussian process with a length scale for each choice.

    Nothing is drawn at random when fitting: the same scores give the same predictor. With one score, or equal ones, it
    is the prior: every prediction is 0.
    """

    def __init__(self, prior: GaussianProcessPrior | None = None) -> None:
        """Make a predictor that has seen no scores.

        Args:
            prior: Prior of the hyperparameters; `GaussianProcessPrior()` if None.
        """
        super().__init__()
        self.prior = prior or GaussianProcessPrior()
        require_instance("prior", self.prior, GaussianProcessPrior, error=PredictorError)

    def _learned(self, support: Architectures, targets: Floats) -> ConditionedOnChoices:
        return ConditionedOnChoices.of(support, targets, most_probable(support.codes, targets, self.prior))

    def _conditioned(self, support: Architectures, targets: Floats, logarithms: Floats) -> ConditionedOnChoices:
        require_shape(logarithms, support.space.code_length + 2)
        return ConditionedOnChoices.of(support, targets, logarithms)


def most_probable(codes: NDArray[np.int8], targets: Floats, prior: GaussianProcessPrior) -> Floats:
    """Find the logarithms ``[L + 2]`` of greatest posterior density, beginning from the prior's medians."""
    density = partial(negative_log_density, pairs=differing(codes), targets=targets, prior=prior)
    return most_probable_logarithms(density, prior.medians(codes.shape[1]), _MOST_ITERATIONS)


def negative_log_density(
    logarithms: Floats, pairs: Floats, targets: Floats, prior: GaussianProcessPrior
) -> tuple[float, Floats]:
    """Compute the negative log density of hyperparameters given targets, up to a constant, and its gradient.

    Args:
        logarithms: Logarithms of w_1, ..., w_L, amplitude and noise: ``[L + 2]``.
        pairs: Choices in which pairs of the n architectures differ, see `differing`: ``[L, n, n]``.
        targets: Normal scores, ``[n]``.
        prior: Prior, normal in the logarithms.

    Returns:
        The value, and the gradient by the logarithms ``[L + 2]``.
    """
    from scipy.linalg import cho_solve

    num_choices, num_points, _ = pairs.shape
    weights, amplitude, noise = _parts(logarithms)
    flat = pairs.reshape(num_choices, -1)
    explained = amplitude * np.exp(-(weights @ flat)).reshape(num_points, num_points)
    cholesky = np.linalg.cholesky(explained + noise * np.eye(num_points))
    inverse = cho_solve((cholesky, True), np.eye(num_points), overwrite_b=True, check_finite=False)
    solved = inverse @ targets
    surprise = (logarithms - prior.medians(num_choices)) / prior.standard_deviation
    value = 0.5 * targets @ solved + np.log(np.diag(cholesky)).sum() + 0.5 * surprise @ surprise

    by_covariance = 0.5 * (inverse - np.outer(solved, solved))
    by_explained = by_covariance * explained
    by_weights = -weights * (flat @ by_explained.ravel())
    gradient = np.concatenate([by_weights, [by_explained.sum(), noise * np.trace(by_covariance)]])
    return float(value), gradient + surprise / prior.standard_deviation


def _parts(logarithms: Floats) -> tuple[Floats, float, float]:
    """Split into weights w ``[L]``, amplitude and noise."""
    values = np.exp(logarithms)
    return values[:-2], float(values[-2]), float(values[-1])
