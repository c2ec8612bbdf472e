"""A Gaussian process with a kernel of paths, Weisfeiler-Lehman labels or graph features, exact or sparse.

The covariance of the normal scores is sum_b a_b k_b(x, y), the k_b being the base kernels of
`mpnas_ray.predictors.gp.kernels`, and s more for a score with itself. The a_b and s are the most probable ones.
`GaussianProcessPredictor` instead has a length scale for each choice.

The sparse process keeps m of the n points, its inducing points, and takes what all n say of the scores there: its
weights maximise the variational bound of Titsias 2009, and its cost is m^2 n instead of n^3.
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

from mpnas_ray.checks import require_count, require_seed
from mpnas_ray.errors import PredictorError
from mpnas_ray.names import no_such
from mpnas_ray.predictors.gp.kernels import KERNELS, Kernel
from mpnas_ray.predictors.gp.process import (
    Conditioned,
    Floats,
    ProcessPredictor,
    Rows,
    most_probable_logarithms,
    require_shape,
)
from mpnas_ray.predictors.support import measured, warn_nothing_to_learn
from mpnas_ray.spaces import Architecture, Architectures

__all__ = ["KernelProcessPredictor"]

_JITTER = 1e-6  # on the diagonal of the inducing points' covariance
_NOISE, _STANDARD_DEVIATION = 0.02, 1.0
"""Median of the noise, and standard deviation of all logarithms, as in `GaussianProcessPrior`. The median of the a_b is
1 / B: before anything was measured all base kernels together explain a variance of 1."""
_MOST_POINTS = 500
"""Points from which an exact process finds its a_b and s: so many, evenly spaced, where there are more."""
_MOST_ITERATIONS = 50
_MOST_PAIRS = 2**17
"""Pairs of a kept point and an architecture whose kernels are held at once: 1 MB a base kernel, which caches hold."""


@dataclass(frozen=True, eq=False)
class _ConditionedOnKernels(Conditioned):
    """A process that has seen n targets and keeps m of the points, all of them if it is exact.

    Attributes:
        kernel: The base kernels.
        rows: Descriptions of all n points.
        kept: Descriptions of the m points.
        gain: Matrix that turns the targets into weights of the kept points in the mean, ``[m, n]``.
        root: R, so that |R k|^2 is the variance explained where the covariance with the kept points is k, ``[m, m]``.
    """

    kernel: Kernel
    rows: Rows
    kept: Rows
    gain: Floats
    root: Floats

    @classmethod
    def of(
        cls,
        kernel: Kernel,
        support: Architectures,
        targets: Floats,
        logarithms: Floats,
        inducing: NDArray[np.intp] | None,
    ) -> _ConditionedOnKernels:
        """Let a process with known hyperparameters see targets ``[n]``; None for ``inducing`` keeps all points."""
        from scipy.linalg import solve_triangular

        rows = kernel.describe(support)
        weights, noise = np.exp(logarithms[:-1]), math.exp(logarithms[-1])
        if inducing is None:
            covariance = np.tensordot(weights, kernel.base(rows, rows), axes=1) + noise * np.eye(len(rows))
            root = solve_triangular(np.linalg.cholesky(covariance), np.eye(len(rows)), lower=True)
            return cls(support, targets, logarithms, kernel, rows, rows, root.T @ root, root)
        kept = rows[inducing]
        own = np.tensordot(weights, kernel.base(kept, kept), axes=1) + _JITTER * np.eye(len(kept))
        whitening = solve_triangular(np.linalg.cholesky(own), np.eye(len(kept)), lower=True)
        seen = whitening @ np.tensordot(weights, kernel.base(kept, rows), axes=1) / math.sqrt(noise)
        values, vectors = np.linalg.eigh(np.eye(len(kept)) + seen @ seen.T)  # at least 1, up to rounding
        root = np.sqrt(np.maximum(1 - 1 / values, 0.0))[:, None] * (vectors.T @ whitening)
        gain = whitening.T @ (vectors / values) @ (vectors.T @ seen) / math.sqrt(noise)
        return cls(support, targets, logarithms, kernel, rows, kept, gain, root)

    def describe(self, archs: Architectures) -> Rows:
        """See `Conditioned.describe`."""
        return self.rows if archs is self.support else archs.described(self.kernel.describe)

    @property
    def block(self) -> int:
        """See `Conditioned.block`."""
        return max(1, _MOST_PAIRS // len(self.kept))

    def mean(self, rows: Rows) -> Floats:
        """See `Conditioned.mean`."""
        return self._solved @ self._covariance(rows)

    def moments(self, rows: Rows) -> tuple[Floats, Floats]:
        """See `Conditioned.moments`."""
        covariance = self._covariance(rows)
        prior = (self._weights[:, None] * self.kernel.diagonal(rows)).sum(axis=0)
        return self._solved @ covariance, prior - np.square(self.root @ covariance).sum(axis=0)

    def prior_functions(self, rows: Rows, num: int, rng: Generator) -> Floats:
        """See `Conditioned.prior_functions`."""
        return self.kernel.prior_functions(rows, self._weights, num, rng)

    def weigh(self, residuals: Floats) -> Floats:
        """See `Conditioned.weigh`; the correction of a sparse process goes through its inducing points."""
        weights: Floats = residuals @ self.gain.T
        return weights

    def correct(self, weights: Floats, rows: Rows) -> Floats:
        """See `Conditioned.correct`."""
        return weights @ self._covariance(rows)

    @property
    def noise(self) -> float:
        """See `Conditioned.noise`."""
        return math.exp(self.logarithms[-1])

    @property
    def _solved(self) -> Floats:
        return self.gain @ self.targets

    @property
    def _weights(self) -> Floats:
        """The a_b, ``[B]``."""
        return np.exp(self.logarithms[:-1])

    def _covariance(self, rows: Rows) -> Floats:
        """Compute the covariance of the scores at the kept points with those of N architectures: ``[m, N]``."""
        return np.tensordot(self._weights, self.kernel.base(self.kept, rows), axes=1)


class KernelProcessPredictor(ProcessPredictor[_ConditionedOnKernels]):
    """A Gaussian process with a weighted sum of base kernels.

    When fitting, an exact process draws nothing at random, a sparse one its inducing points. With one score, or equal
    ones, it is the prior: every prediction is 0, and a warning says so once.
    """

    def __init__(self, kernel: str = "weisfeiler-lehman", *, num_inducing: int | None = None, seed: int = 0) -> None:
        """Make a predictor that has seen no scores.

        Args:
            kernel: A name of `KERNELS`.
            num_inducing: m; None for all points, which is the exact process. Fewer points than m are all kept.
            seed: Seed of the choice of inducing points.

        Raises:
            PredictorError: If there is no such kernel, or a number is out of its range.
        """
        super().__init__()
        if kernel not in KERNELS:
            raise PredictorError(no_such("kernel", kernel, KERNELS))
        if num_inducing is not None:
            require_count("num_inducing", num_inducing, error=PredictorError)
        require_seed("seed", seed, error=PredictorError)
        self.kernel = kernel
        self.num_inducing = num_inducing
        self.seed = seed

    def fit(self, archs: Sequence[Architecture], scores: ArrayLike) -> None:
        """Learn from N measured architectures of one space; see `ProcessPredictor.fit`."""
        _, values = measured(archs, scores)
        if values.min() == values.max():
            warn_nothing_to_learn(f"A Gaussian process ({self.kernel})")
        super().fit(archs, scores)

    def _learned(self, support: Architectures, targets: Floats) -> _ConditionedOnKernels:
        kernel = KERNELS[self.kernel]
        rows = kernel.describe(support)
        inducing = self._inducing(rows)
        if inducing is None:
            some = slice(None, None, -(-len(rows) // _MOST_POINTS))
            logarithms = _most_probable(kernel.base(rows[some], rows[some]), None, targets[some])
        else:
            kept = rows[inducing]
            to_all = kernel.base(kept, rows), kernel.diagonal(rows)
            logarithms = _most_probable(kernel.base(kept, kept), to_all, targets)
        return _ConditionedOnKernels.of(kernel, support, targets, logarithms, inducing)

    def _conditioned(self, support: Architectures, targets: Floats, logarithms: Floats) -> _ConditionedOnKernels:
        kernel = KERNELS[self.kernel]
        require_shape(logarithms, kernel.num_base + 1)
        inducing = self._inducing(kernel.describe(support))
        return _ConditionedOnKernels.of(kernel, support, targets, logarithms, inducing)

    @property
    def _kind(self) -> str:
        return f"a process with kernel {self.kernel}"

    def _inducing(self, rows: Rows) -> NDArray[np.intp] | None:
        """Choose the inducing points, no two of them alike to the kernel: indices ``[m]``, ascending."""
        if self.num_inducing is None:
            return None
        _, different = np.unique(rows.reshape(len(rows), -1), axis=0, return_index=True)
        return np.sort(np.random.default_rng(self.seed).permutation(different)[: self.num_inducing])


def _most_probable(own: Floats, to_all: tuple[Floats, Floats] | None, targets: Floats) -> Floats:
    """Find the logarithms ``[B + 1]`` of greatest posterior density, beginning from the prior's medians.

    Args:
        own: Base kernels between the kept points, ``[B, m, m]``.
        to_all: Base kernels from them to all points, ``[B, m, n]``, and of all points with themselves, ``[B, n]``;
            None for an exact process.
        targets: Normal scores, ``[n]``.
    """
    num_base = len(own)
    medians = torch.tensor([-math.log(num_base)] * num_base + [math.log(_NOISE)], dtype=torch.float64)
    kept, wanted = torch.from_numpy(own), torch.from_numpy(targets)
    across = None if to_all is None else [torch.from_numpy(base) for base in to_all]

    def negative_log_density(point: Floats) -> tuple[float, Floats]:
        logarithms = torch.from_numpy(point).requires_grad_()
        weights, noise = logarithms[:-1].exp(), logarithms[-1].exp()
        if across is None:
            evidence = log_evidence(torch.tensordot(weights, kept, 1), noise, wanted)
        else:
            bound_of = torch.tensordot(weights, kept, 1), torch.tensordot(weights, across[0], 1)
            evidence = evidence_bound(*bound_of, (weights * across[1].mean(dim=1)).sum(), noise, wanted)
        value = 0.5 * ((logarithms - medians) / _STANDARD_DEVIATION).square().sum() - evidence
        (gradient,) = torch.autograd.grad(value, logarithms)
        return value.item(), gradient.numpy()

    return most_probable_logarithms(negative_log_density, medians.numpy(), _MOST_ITERATIONS)


def log_evidence(covariance: Tensor, noise: Tensor, targets: Tensor) -> Tensor:
    """Compute the log density of targets ``[n]`` whose noiseless covariance is ``[n, n]``.

    It is that of Rasmussen and Williams 2006, Eq. 2.30, without the constant -n/2 log 2 pi.
    """
    cholesky = torch.linalg.cholesky(covariance + noise * torch.eye(len(targets), dtype=targets.dtype))
    whitened = torch.linalg.solve_triangular(cholesky, targets[:, None], upper=False)
    evidence: Tensor = -0.5 * whitened.square().sum() - cholesky.diagonal().log().sum()
    return evidence


def evidence_bound(own: Tensor, to_all: Tensor, variance: Tensor, noise: Tensor, targets: Tensor) -> Tensor:
    """Compute a lower bound of `log_evidence` by inducing points (Titsias 2009, Eq. 9).

    It is equal to the log evidence if all points are inducing points.

    Args:
        own: Covariance of the inducing points, ``[m, m]``.
        to_all: Covariance of the inducing points with all points, ``[m, n]``.
        variance: Mean variance over all points.
        noise: s.
        targets: Normal scores, ``[n]``.
    """
    unit = torch.eye(len(own), dtype=own.dtype)
    whitened = torch.linalg.solve_triangular(torch.linalg.cholesky(own + _JITTER * unit), to_all, upper=False)
    cholesky = torch.linalg.cholesky(unit + whitened @ whitened.T / noise)
    explained = torch.linalg.solve_triangular(cholesky, (whitened @ targets)[:, None], upper=False) / noise
    log_determinant = 2 * cholesky.diagonal().log().sum() + len(targets) * noise.log()
    quadratic = targets.square().sum() / noise - explained.square().sum()
    left_out = (len(targets) * variance - whitened.square().sum()) / noise
    bound: Tensor = -0.5 * (log_determinant + quadratic + left_out)
    return bound
