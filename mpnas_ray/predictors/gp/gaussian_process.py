"""A Gaussian process over the choices of an architecture: the strongest plain rival of a meta-learned predictor.

Scores become normal scores: the quantiles of a standard normal at (rank - 1/2) / n, so that only their order counts.
The kernel k has one length scale a choice (`mpnas_ray.predictors.gp.categorical_kernel`); with amplitude a and noise s,
the scores' covariance is a k(x, y), and s more for a score with itself. These hyperparameters are the most probable
ones, found by L-BFGS with the gradient written out (Rasmussen and Williams 2006, Eq. 5.9).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from mpnas_ray.checks import make_plain, require_count, require_instance, require_number
from mpnas_ray.errors import MPNASError, PredictorError
from mpnas_ray.predictors.gp.categorical_kernel import differing, kernel, prior_functions
from mpnas_ray.predictors.support import measured, same_space, tensor_of_text, text_of_tensor
from mpnas_ray.spaces import Architecture, Architectures, get_space
from mpnas_ray.tables.normalization import normal_scores

__all__ = ["Conditioned", "GaussianProcessPredictor", "GaussianProcessPrior", "most_probable", "normal_scores"]

Floats = NDArray[np.float64]

_BOUND = 12.0  # of the logarithms; the least noise, exp(-12), also keeps equal rows apart
_BLOCK = 4_096


@dataclass(frozen=True)
class GaussianProcessPrior:
    """Log-normal beliefs about the hyperparameters: their medians, and the standard deviation of every logarithm.

    Chosen by replays with expected improvement on ten columns of the NAS-Bench-201 and TransNAS-Bench-101 tables, 4 to
    7 seeds: the geometric mean of the queries until the top 0.1 % was 40 with a weight of 2, against 42 with 1 and 46
    with 4, and 38 with a deviation of 1 after five random points, against 45 with 0.5. A noise of 0.1 is no worse.

    Attributes:
        weight: Of the sum of all w_i, of which each choice has an equal part before anything was measured.
        amplitude: Variance that the choices explain, in units of the normal scores.
        noise: Variance that they do not.
        deviation: Of the natural logarithms of each w_i, the amplitude and the noise.

    Raises:
        PredictorError: Unless all are above 0.
    """

    weight: float = 2.0
    amplitude: float = 1.0
    noise: float = 0.02
    deviation: float = 1.0

    def __post_init__(self) -> None:
        make_plain(self)
        for name, value in vars(self).items():
            require_number(f"GaussianProcessPrior.{name}", value, above=0, error=PredictorError)

    def medians(self, num_choices: int) -> Floats:
        """Logarithms of w_1, ..., w_L, amplitude and noise: ``[L + 2]``."""
        return np.log([self.weight / num_choices] * num_choices + [self.amplitude, self.noise])


@dataclass(frozen=True, eq=False)
class Conditioned:
    """A Gaussian process of mean 0 that has seen n targets; `of` makes one."""

    support: Architectures
    targets: Floats  # [n]
    logarithms: Floats  # [L + 2]
    whitening: Floats  # inverse of the lower Cholesky factor of the targets' covariance, [n, n]
    solved: Floats  # covariance^-1 targets, [n]

    @classmethod
    def of(cls, support: Architectures, targets: Floats, logarithms: Floats) -> Conditioned:
        """Let a process with the hyperparameters of `most_probable`, ``[L + 2]``, see targets ``[n]``."""
        from scipy.linalg import solve_triangular

        weights, amplitude, noise = _parts(logarithms)
        unit = np.eye(len(targets))
        covariance = amplitude * kernel(support.codes, support.codes, weights) + noise * unit
        whitening = np.asarray(solve_triangular(np.linalg.cholesky(covariance), unit, lower=True), dtype=np.float64)
        return cls(support, targets, logarithms, whitening, whitening.T @ (whitening @ targets))

    def predict(self, codes: NDArray[np.int8]) -> tuple[Floats, Floats]:
        """Posterior mean and standard deviation, without noise, at rows of choices ``[N, L]``; each ``[N]``."""
        weights, amplitude, _ = _parts(self.logarithms)
        mean, variance = np.empty(len(codes)), np.empty(len(codes))
        for start in range(0, len(codes), _BLOCK):
            rows = slice(start, start + _BLOCK)
            covariance = amplitude * kernel(self.support.codes, codes[rows], weights)
            explained = self.whitening @ covariance
            mean[rows] = self.solved @ covariance
            variance[rows] = amplitude - np.einsum("nq,nq->q", explained, explained)
        return mean, np.sqrt(np.maximum(variance, 0.0))


class GaussianProcessPredictor:
    """Nothing is drawn at random when fitting: the same scores give the same predictor.

    With one score, or equal ones, it is the prior: every prediction is 0.
    """

    def __init__(self, prior: GaussianProcessPrior | None = None) -> None:
        """A predictor that has seen no scores.

        Args:
            prior: Of the hyperparameters; `GaussianProcessPrior()` if None.
        """
        self.prior = prior or GaussianProcessPrior()
        require_instance("prior", self.prior, GaussianProcessPrior, error=PredictorError)
        self._fitted: Conditioned | None = None

    def fit(self, archs: Sequence[Architecture], scores: ArrayLike) -> None:
        """Learn from N measured architectures of one space; see `Predictor.fit`.

        Raises:
            PredictorError: If there is none, if numbers differ, or if a score is not finite.
        """
        support, values = measured(archs, scores)
        targets = normal_scores(values)
        self._fitted = Conditioned.of(support, targets, most_probable(support.codes, targets, self.prior))

    def predict(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Posterior mean, in normal scores of the measured architectures: ``[N]``; see `Predictor.predict`."""
        return self.predict_with_deviation(archs)[0]

    def predict_with_deviation(self, archs: Sequence[Architecture]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Posterior mean and standard deviation of what can be explained (without noise), each ``[N]``.

        Raises:
            PredictorError: Before `fit`, or for architectures of another space.
        """
        fitted = self._known()
        return fitted.predict(same_space(archs, fitted.support.space.name).codes)

    def sample_scores(self, archs: Sequence[Architecture], num_samples: int, rng: Generator) -> NDArray[np.float64]:
        """Functions drawn from the posterior, at N architectures: ``[num_samples, N]``.

        By Matheron's rule: one drawn from the prior (`prior_functions`), corrected by what it says wrongly of the
        measured scores. The functions are exact where those are: in NAS-Bench-201, -ASR and TransNAS-Bench-101.

        Raises:
            PredictorError: Before `fit`, for architectures of another space, or for less than one function.
        """
        require_count("num_samples", num_samples, error=PredictorError)
        fitted = self._known()
        weights, amplitude, noise = _parts(fitted.logarithms)
        codes = same_space(archs, fitted.support.space.name).codes
        num_points = len(fitted.targets)
        everywhere = np.concatenate([fitted.support.codes, codes])
        functions = math.sqrt(amplitude) * prior_functions(everywhere, weights, num_samples, rng)
        observed = functions[:, :num_points] + math.sqrt(noise) * rng.standard_normal((num_samples, num_points))
        solved = (fitted.targets - observed) @ fitted.whitening.T @ fitted.whitening  # [num_samples, n]
        sampled = functions[:, num_points:]
        for start in range(0, len(codes), _BLOCK):
            rows = slice(start, start + _BLOCK)
            sampled[:, rows] += amplitude * (solved @ kernel(fitted.support.codes, codes[rows], weights))
        return sampled

    def state_dict(self) -> dict[str, Tensor]:
        """The measured architectures, their normal scores and the hyperparameters' logarithms, on the CPU."""
        fitted = self._known()
        return {
            "space": tensor_of_text(fitted.support.space.name),
            "codes": torch.from_numpy(fitted.support.codes.copy()),
            "targets": torch.from_numpy(fitted.targets.copy()),
            "logarithms": torch.from_numpy(fitted.logarithms.copy()),
        }

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over what `state_dict` gave.

        Raises:
            PredictorError: If tensors are missing or of other shapes; this predictor is then as before.
        """
        try:
            support = Architectures(get_space(text_of_tensor(state["space"])), state["codes"].numpy().copy())
            targets, logarithms = (state[name].numpy().astype(np.float64) for name in ("targets", "logarithms"))
            if targets.shape != (len(support),) or logarithms.shape != (support.space.code_length + 2,):
                raise ValueError(f"{len(support)} architectures, but targets of shape {list(targets.shape)}")
            self._fitted = Conditioned.of(support, targets, logarithms)
        except (KeyError, ValueError, MPNASError, np.linalg.LinAlgError) as error:
            raise PredictorError(f"This is not the state of a GaussianProcessPredictor: {error}") from error

    def _known(self) -> Conditioned:
        if self._fitted is None:
            raise PredictorError("This predictor has seen no scores yet: call fit first.")
        return self._fitted


def most_probable(codes: NDArray[np.int8], targets: Floats, prior: GaussianProcessPrior) -> Floats:
    """Logarithms ``[L + 2]`` of the hyperparameters of greatest posterior density, sought from the prior's medians."""
    from scipy.optimize import minimize

    start = prior.medians(codes.shape[1])
    found = minimize(
        negative_log_density,
        start,
        args=(differing(codes), targets, prior),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-_BOUND, _BOUND)] * len(start),
        options={"maxiter": 100},
    )
    return np.asarray(found.x, dtype=np.float64)


def negative_log_density(
    logarithms: Floats, pairs: Floats, targets: Floats, prior: GaussianProcessPrior
) -> tuple[float, Floats]:
    """Of hyperparameters given targets, up to a constant, and its gradient.

    Args:
        logarithms: Of w_1, ..., w_L, amplitude and noise: ``[L + 2]``.
        pairs: Of the n architectures, see `differing`: ``[L, n, n]``.
        targets: ``[n]``.
        prior: Normal in the logarithms.

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
    surprise = (logarithms - prior.medians(num_choices)) / prior.deviation
    value = 0.5 * targets @ solved + np.log(np.diag(cholesky)).sum() + 0.5 * surprise @ surprise

    by_covariance = 0.5 * (inverse - np.outer(solved, solved))
    by_explained = by_covariance * explained
    by_weights = -weights * (flat @ by_explained.ravel())
    gradient = np.concatenate([by_weights, [by_explained.sum(), noise * np.trace(by_covariance)]])
    return float(value), gradient + surprise / prior.deviation


def _parts(logarithms: Floats) -> tuple[Floats, float, float]:
    """Weights w ``[L]``, amplitude and noise."""
    values = np.exp(logarithms)
    return values[:-2], float(values[-2]), float(values[-1])
