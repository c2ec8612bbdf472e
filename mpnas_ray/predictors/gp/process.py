"""The core of both Gaussian processes, whose kernels are elsewhere.

Scores become normal scores: the quantiles of a standard normal at (rank - 1/2) / n, so that only their order counts. A
process finds its most probable hyperparameters (by L-BFGS), is conditioned on the normal scores, and then predicts,
draws functions and travels as tensors in the same way whatever its kernel is.

BoTorch's Gaussian process under the same kernels was measured beside these: benchmarks/results/gp_libraries.md.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from mpnas_ray.checks import require_count
from mpnas_ray.errors import MPNASError, PredictorError
from mpnas_ray.predictors.support import measured, same_space, tensor_of_text, text_of_tensor
from mpnas_ray.spaces import Architecture, Architectures, get_space
from mpnas_ray.tables.normalization import normal_scores

__all__ = ["Conditioned", "Floats", "ProcessPredictor", "Rows", "most_probable_logarithms", "require_shape"]

Floats = NDArray[np.float64]
Rows = NDArray[Any]
"""Descriptions of architectures that a kernel compares, ``[N, ...]``."""

_BOUND = 12.0
"""Bound of the logarithms: the least noise, exp(-12), keeps the covariance of equal rows regular."""


@dataclass(frozen=True, eq=False)
class Conditioned(ABC):
    """A Gaussian process of mean 0 that has seen n targets.

    Attributes:
        support: The n measured architectures.
        targets: Normal scores of the support, ``[n]``.
        logarithms: Logarithms of the hyperparameters, the noise last.
    """

    support: Architectures
    targets: Floats
    logarithms: Floats

    @property
    @abstractmethod
    def block(self) -> int:
        """Number of architectures whose covariances are held at once."""

    @abstractmethod
    def describe(self, archs: Architectures) -> Rows:
        """Describe N architectures of the support's space for the kernel, ``[N, ...]``."""

    @abstractmethod
    def mean(self, rows: Rows) -> Floats:
        """Compute the posterior mean at N descriptions, ``[N]``."""

    @abstractmethod
    def moments(self, rows: Rows) -> tuple[Floats, Floats]:
        """Compute the posterior mean and variance at N descriptions, ``[N]`` each, without noise."""

    @abstractmethod
    def prior_functions(self, rows: Rows, num: int, rng: Generator) -> Floats:
        """Draw functions of the process before it saw the targets, ``[num, N]``."""

    @abstractmethod
    def weigh(self, residuals: Floats) -> Floats:
        """Turn what functions miss of the targets, ``[S, n]``, into weights of the m points kept, ``[S, m]``."""

    @abstractmethod
    def correct(self, weights: Floats, rows: Rows) -> Floats:
        """Spread weights of the kept points ``[S, m]`` over N descriptions, ``[S, N]``."""

    @property
    @abstractmethod
    def noise(self) -> float:
        """Variance that the kernel does not explain."""

    def predict_mean(self, rows: Rows) -> Floats:
        """Predict the posterior mean at any number of descriptions, ``[N]``."""
        return np.concatenate([np.empty(0), *(self.mean(rows[block]) for block in self._blocks(rows))])

    def predict(self, rows: Rows) -> tuple[Floats, Floats]:
        """Predict posterior mean and standard deviation, without noise, at any number of descriptions; ``[N]`` each."""
        mean, variance = np.empty(len(rows)), np.empty(len(rows))
        for block in self._blocks(rows):
            mean[block], variance[block] = self.moments(rows[block])
        return mean, np.sqrt(np.maximum(variance, 0.0))

    def sample(self, rows: Rows, num: int, rng: Generator) -> Floats:
        """Draw functions of the posterior at N descriptions, ``[num, N]``.

        By Matheron's rule: a function of the prior, corrected by what it says wrongly of the targets (Wilson et al.
        2020).
        """
        num_points = len(self.targets)
        everywhere = np.concatenate([self.describe(self.support), rows])
        functions = self.prior_functions(everywhere, num, rng)
        observed = functions[:, :num_points] + math.sqrt(self.noise) * rng.standard_normal((num, num_points))
        weights = self.weigh(self.targets - observed)
        sampled = functions[:, num_points:]
        for block in self._blocks(rows):
            sampled[:, block] += self.correct(weights, rows[block])
        return sampled

    def _blocks(self, rows: Rows) -> list[slice]:
        return [slice(start, start + self.block) for start in range(0, len(rows), self.block)]


Process = TypeVar("Process", bound=Conditioned)


class ProcessPredictor(ABC, Generic[Process]):
    """A predictor that is a Gaussian process; see `Predictor` and `Uncertain`.

    With one score, or equal ones, it is the prior: every prediction is 0.
    """

    def __init__(self) -> None:
        """Make a predictor that has seen no scores."""
        self._fitted: Process | None = None

    @abstractmethod
    def _learned(self, support: Architectures, targets: Floats) -> Process:
        """Find the most probable hyperparameters for normal scores ``[n]``, and condition the process on them."""

    @abstractmethod
    def _conditioned(self, support: Architectures, targets: Floats, logarithms: Floats) -> Process:
        """Condition the process with known hyperparameters; raise `ValueError` if their number is wrong."""

    def fit(self, archs: Sequence[Architecture], scores: ArrayLike) -> None:
        """Learn from N measured architectures of one space; see `Predictor.fit`.

        Raises:
            PredictorError: If there is none, if numbers differ, or if a score is not finite.
        """
        support, values = measured(archs, scores)
        self._fitted = self._learned(support, normal_scores(values))

    def predict(self, archs: Sequence[Architecture]) -> Floats:
        """Predict the posterior mean, in normal scores of the measured architectures: ``[N]``.

        Raises:
            PredictorError: Before `fit`, or for architectures of another space.
        """
        fitted, rows = self._asked(archs)
        return fitted.predict_mean(rows)

    def predict_with_std(self, archs: Sequence[Architecture]) -> tuple[Floats, Floats]:
        """Predict posterior mean and standard deviation of what can be explained (without noise), each ``[N]``.

        Raises:
            PredictorError: Before `fit`, or for architectures of another space.
        """
        fitted, rows = self._asked(archs)
        return fitted.predict(rows)

    def sample_scores(self, archs: Sequence[Architecture], num_samples: int, rng: Generator) -> Floats:
        """Draw functions from the posterior, at N architectures: ``[num_samples, N]``.

        Raises:
            PredictorError: Before `fit`, for architectures of another space, or for less than one function.
        """
        require_count("num_samples", num_samples, error=PredictorError)
        fitted, rows = self._asked(archs)
        return fitted.sample(rows, num_samples, rng)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the measured architectures, their normal scores and the hyperparameters' logarithms, on the CPU."""
        fitted = self._known()
        return {
            "space": tensor_of_text(fitted.support.space.name),
            "codes": torch.from_numpy(fitted.support.codes.copy()),
            "targets": torch.from_numpy(fitted.targets.copy()),
            "logarithms": torch.from_numpy(fitted.logarithms.copy()),
        }

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over what `state_dict` of a predictor that was made in the same way gave.

        Raises:
            PredictorError: If tensors are missing or of other shapes; this predictor is then as before.
        """
        try:
            support = Architectures(get_space(text_of_tensor(state["space"])), state["codes"].numpy().copy())
            targets, logarithms = (state[name].numpy().astype(np.float64) for name in ("targets", "logarithms"))
            if targets.shape != (len(support),):
                raise ValueError(f"{len(support)} architectures, but targets of shape {list(targets.shape)}")
            self._fitted = self._conditioned(support, targets, logarithms)
        except (KeyError, ValueError, MPNASError, np.linalg.LinAlgError) as error:
            raise PredictorError(f"This is not the state of {self._kind}: {error}") from error

    @property
    def _kind(self) -> str:
        """Name of such a predictor in messages."""
        return f"a {type(self).__name__}"

    def _known(self) -> Process:
        if self._fitted is None:
            raise PredictorError("This predictor has seen no scores yet: call fit first.")
        return self._fitted

    def _asked(self, archs: Sequence[Architecture]) -> tuple[Process, Rows]:
        fitted = self._known()
        return fitted, fitted.describe(same_space(archs, fitted.support.space.name))


def require_shape(logarithms: Floats, num: int) -> None:
    """Raise `ValueError` unless there are ``num`` logarithms of hyperparameters."""
    if logarithms.shape != (num,):
        raise ValueError(f"logarithms of shape {list(logarithms.shape)}, not [{num}]")


def most_probable_logarithms(
    negative_log_density: Callable[[Floats], tuple[float, Floats]], start: Floats, most_iterations: int
) -> Floats:
    """Find the logarithms of the most probable hyperparameters by L-BFGS.

    Args:
        negative_log_density: Function from logarithms ``[P]`` to a value to minimise and its gradient ``[P]``.
        start: Logarithms to begin from, ``[P]``.
        most_iterations: Number of iterations at most.
    """
    from scipy.optimize import minimize

    found = minimize(
        negative_log_density,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(-_BOUND, _BOUND)] * len(start),
        options={"maxiter": most_iterations},
    )
    return np.asarray(found.x, dtype=np.float64)
