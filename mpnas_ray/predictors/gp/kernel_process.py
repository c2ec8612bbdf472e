"""A Gaussian process with a kernel of paths, Weisfeiler-Lehman labels or graph features: exact, or sparse for many
points.

Scores become normal scores, so that only their order counts. Their covariance is sum_b a_b k_b(x, y), the k_b being the
base kernels of `mpnas_ray.predictors.gp.kernels`, and s more for a score with itself. The a_b and s are the most
probable ones, found by L-BFGS. `GaussianProcessPredictor` instead has a length scale for each choice.

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
from mpnas_ray.errors import MPNASError, PredictorError
from mpnas_ray.names import no_such
from mpnas_ray.predictors.gp.kernels import KERNELS, Kernel, Rows
from mpnas_ray.predictors.support import measured, same_space, tensor_of_text, text_of_tensor, warn_nothing_to_learn
from mpnas_ray.spaces import Architecture, Architectures, get_space
from mpnas_ray.tables.normalization import normal_scores

__all__ = ["KernelProcessPredictor"]

Floats = NDArray[np.float64]

_BOUND = 12.0  # of the logarithms; the least noise, exp(-12), also keeps equal rows apart
_JITTER = 1e-6  # on the diagonal of the inducing points' covariance
_NOISE, _DEVIATION = 0.02, 1.0
"""Median of the noise, and standard deviation of all logarithms, as in `GaussianProcessPrior`. The median of the a_b is
1 / B: before anything was measured all base kernels together explain a variance of 1."""
_MOST_POINTS = 500
"""From which an exact process finds its a_b and s: so many, evenly spaced, where there are more."""
_BLOCK = 1_024


class KernelProcessPredictor:
    """Exact, nothing is drawn at random when fitting; sparse, the inducing points are.

    With one score, or equal ones, it is the prior: every prediction is 0, and a warning says so once.
    """

    def __init__(self, kernel: str = "weisfeiler-lehman", *, num_inducing: int | None = None, seed: int = 0) -> None:
        """A predictor that has seen no scores.

        Args:
            kernel: A name of `KERNELS`.
            num_inducing: m; None for all points, which is the exact process. Fewer points than m are all kept.
            seed: Of the choice of inducing points.

        Raises:
            PredictorError: If there is no such kernel, or a number is out of its range.
        """
        if kernel not in KERNELS:
            raise PredictorError(no_such("kernel", kernel, KERNELS))
        if num_inducing is not None:
            require_count("num_inducing", num_inducing, error=PredictorError)
        require_seed("seed", seed, error=PredictorError)
        self.kernel = kernel
        self.num_inducing = num_inducing
        self.seed = seed
        self._fitted: _Conditioned | None = None

    def fit(self, archs: Sequence[Architecture], scores: ArrayLike) -> None:
        """Learn from N measured architectures of one space; see `Predictor.fit`.

        Raises:
            PredictorError: If there is none, if numbers differ, or if a score is not finite.
        """
        support, values = measured(archs, scores)
        if values.min() == values.max():
            warn_nothing_to_learn(f"A Gaussian process ({self.kernel})")
        kernel, targets = KERNELS[self.kernel], normal_scores(values)
        rows = kernel.describe(support)
        inducing = self._inducing(rows)
        if inducing is None:
            some = slice(None, None, -(-len(rows) // _MOST_POINTS))
            logarithms = _most_probable(kernel.base(rows[some], rows[some]), None, targets[some])
        else:
            kept = rows[inducing]
            to_all = kernel.base(kept, rows), kernel.diagonal(rows)
            logarithms = _most_probable(kernel.base(kept, kept), to_all, targets)
        self._fitted = _Conditioned.of(kernel, support, targets, logarithms, inducing)

    def _inducing(self, rows: Rows) -> NDArray[np.intp] | None:
        """Places of the inducing points, no two of them alike to the kernel: ``[m]``, ascending."""
        if self.num_inducing is None:
            return None
        _, different = np.unique(rows.reshape(len(rows), -1), axis=0, return_index=True)
        return np.sort(np.random.default_rng(self.seed).permutation(different)[: self.num_inducing])

    def predict(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Posterior mean, in normal scores of the measured architectures: ``[N]``; see `Predictor.predict`."""
        fitted, rows = self._asked(archs)
        solved = fitted.gain @ fitted.targets
        blocks = [solved @ fitted.covariance(rows[start : start + _BLOCK]) for start in range(0, len(rows), _BLOCK)]
        return np.concatenate([np.empty(0), *blocks])

    def predict_with_deviation(self, archs: Sequence[Architecture]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Posterior mean and standard deviation of what can be explained (without noise), each ``[N]``.

        Raises:
            PredictorError: Before `fit`, or for architectures of another space.
        """
        fitted, rows = self._asked(archs)
        mean, variance = np.empty(len(rows)), np.empty(len(rows))
        solved = fitted.gain @ fitted.targets
        for start in range(0, len(rows), _BLOCK):
            block = slice(start, start + _BLOCK)
            covariance = fitted.covariance(rows[block])
            mean[block] = solved @ covariance
            prior = (fitted.weights[:, None] * fitted.kernel.diagonal(rows[block])).sum(axis=0)
            variance[block] = prior - np.square(fitted.root @ covariance).sum(axis=0)
        return mean, np.sqrt(np.maximum(variance, 0.0))

    def sample_scores(self, archs: Sequence[Architecture], num_samples: int, rng: Generator) -> NDArray[np.float64]:
        """Functions drawn from the posterior, at N architectures: ``[num_samples, N]``.

        By Matheron's rule: one drawn from the prior, corrected by what it says wrongly of the measured scores (Wilson
        et al. 2020). For a sparse process the correction goes through its inducing points.

        Raises:
            PredictorError: Before `fit`, for architectures of another space, or for less than one function.
        """
        require_count("num_samples", num_samples, error=PredictorError)
        fitted, rows = self._asked(archs)
        num_points = len(fitted.targets)
        everywhere = np.concatenate([fitted.rows, rows])
        functions = fitted.kernel.prior_functions(everywhere, fitted.weights, num_samples, rng)
        observed = functions[:, :num_points] + math.sqrt(fitted.noise) * rng.standard_normal((num_samples, num_points))
        corrections = (fitted.targets - observed) @ fitted.gain.T  # [num_samples, m]
        sampled = functions[:, num_points:]
        for start in range(0, len(rows), _BLOCK):
            block = slice(start, start + _BLOCK)
            sampled[:, block] += corrections @ fitted.covariance(rows[block])
        return sampled

    def state_dict(self) -> dict[str, Tensor]:
        """The measured architectures, their normal scores and the logarithms of the a_b and of s, on the CPU."""
        fitted = self._known()
        return {
            "space": tensor_of_text(fitted.support.space.name),
            "codes": torch.from_numpy(fitted.support.codes.copy()),
            "targets": torch.from_numpy(fitted.targets.copy()),
            "logarithms": torch.from_numpy(fitted.logarithms.copy()),
        }

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over what `state_dict` of a predictor of the same kernel, number of inducing points and seed gave.

        Raises:
            PredictorError: If tensors are missing or of other shapes; this predictor is then as before.
        """
        kernel = KERNELS[self.kernel]
        try:
            support = Architectures(get_space(text_of_tensor(state["space"])), state["codes"].numpy().copy())
            targets, logarithms = (state[name].numpy().astype(np.float64) for name in ("targets", "logarithms"))
            if targets.shape != (len(support),) or logarithms.shape != (kernel.num_base + 1,):
                raise ValueError(f"targets {list(targets.shape)} and logarithms {list(logarithms.shape)}")
            inducing = self._inducing(kernel.describe(support))
            self._fitted = _Conditioned.of(kernel, support, targets, logarithms, inducing)
        except (KeyError, ValueError, MPNASError, np.linalg.LinAlgError) as error:
            raise PredictorError(f"This is not the state of a process with kernel {self.kernel}: {error}") from error

    def _known(self) -> _Conditioned:
        if self._fitted is None:
            raise PredictorError("This predictor has seen no scores yet: call fit first.")
        return self._fitted

    def _asked(self, archs: Sequence[Architecture]) -> tuple[_Conditioned, Rows]:
        fitted = self._known()
        return fitted, fitted.kernel.describe(same_space(archs, fitted.support.space.name))


@dataclass(frozen=True, eq=False)
class _Conditioned:
    """A process that has seen n targets and keeps m of the points, all of them if it is exact."""

    kernel: Kernel
    support: Architectures
    targets: Floats  # [n]
    logarithms: Floats  # [B + 1]
    rows: Rows  # description of all n points
    kept: Rows  # of m
    gain: Floats  # [m, n]: what the targets make of the weights of the kept points in the mean
    root: Floats  # [m, m]: R, so that |R k|^2 is the variance explained where the covariance with the kept points is k

    @classmethod
    def of(
        cls,
        kernel: Kernel,
        support: Architectures,
        targets: Floats,
        logarithms: Floats,
        inducing: NDArray[np.intp] | None,
    ) -> _Conditioned:
        from scipy.linalg import solve_triangular

        rows = kernel.describe(support)
        weights, noise = np.exp(logarithms[:-1]), math.exp(logarithms[-1])
        if inducing is None:
            covariance = np.tensordot(weights, kernel.base(rows, rows), axes=1) + noise * np.eye(len(rows))
            root = solve_triangular(np.linalg.cholesky(covariance), np.eye(len(rows)), lower=True)
            return cls(kernel, support, targets, logarithms, rows, rows, root.T @ root, root)
        kept = rows[inducing]
        own = np.tensordot(weights, kernel.base(kept, kept), axes=1) + _JITTER * np.eye(len(kept))
        whitening = solve_triangular(np.linalg.cholesky(own), np.eye(len(kept)), lower=True)
        seen = whitening @ np.tensordot(weights, kernel.base(kept, rows), axes=1) / math.sqrt(noise)
        values, vectors = np.linalg.eigh(np.eye(len(kept)) + seen @ seen.T)  # at least 1, up to rounding
        root = np.sqrt(np.maximum(1 - 1 / values, 0.0))[:, None] * (vectors.T @ whitening)
        gain = whitening.T @ (vectors / values) @ (vectors.T @ seen) / math.sqrt(noise)
        return cls(kernel, support, targets, logarithms, rows, kept, gain, root)

    @property
    def weights(self) -> Floats:
        """The a_b, ``[B]``."""
        return np.exp(self.logarithms[:-1])

    @property
    def noise(self) -> float:
        """The s."""
        return math.exp(self.logarithms[-1])

    def covariance(self, rows: Rows) -> Floats:
        """Of the scores at the kept points with those of N architectures: ``[m, N]``."""
        return np.tensordot(self.weights, self.kernel.base(self.kept, rows), axes=1)


def _most_probable(own: Floats, to_all: tuple[Floats, Floats] | None, targets: Floats) -> Floats:
    """Logarithms ``[B + 1]`` of greatest posterior density, sought from the prior's medians.

    Args:
        own: Base kernels between the kept points, ``[B, m, m]``.
        to_all: From them to all points, ``[B, m, n]``, and of all points with themselves, ``[B, n]``; None for an
            exact process.
        targets: ``[n]``.
    """
    from scipy.optimize import minimize

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
        value = 0.5 * ((logarithms - medians) / _DEVIATION).square().sum() - evidence
        (gradient,) = torch.autograd.grad(value, logarithms)
        return value.item(), gradient.numpy()

    found = minimize(
        negative_log_density,
        medians.numpy(),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-_BOUND, _BOUND)] * len(medians),
        options={"maxiter": 50},
    )
    return np.asarray(found.x, dtype=np.float64)


def log_evidence(covariance: Tensor, noise: Tensor, targets: Tensor) -> Tensor:
    """Log density of targets ``[n]`` whose noiseless covariance is ``[n, n]`` (Rasmussen and Williams 2006, Eq. 2.30),
    without the constant -n/2 log 2 pi.
    """
    cholesky = torch.linalg.cholesky(covariance + noise * torch.eye(len(targets), dtype=targets.dtype))
    whitened = torch.linalg.solve_triangular(cholesky, targets[:, None], upper=False)
    evidence: Tensor = -0.5 * whitened.square().sum() - cholesky.diagonal().log().sum()
    return evidence


def evidence_bound(own: Tensor, to_all: Tensor, variance: Tensor, noise: Tensor, targets: Tensor) -> Tensor:
    """Lower bound of `log_evidence` by inducing points (Titsias 2009, Eq. 9); equal to it if all points are inducing.

    Args:
        own: Covariance of the inducing points, ``[m, m]``.
        to_all: Of the inducing points with all, ``[m, n]``.
        variance: Mean over all points.
        noise: s.
        targets: ``[n]``.
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
