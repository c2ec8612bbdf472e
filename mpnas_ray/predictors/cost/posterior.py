"""Bayesian linear regression of a cost on operation counts, with hypotheses from known devices.

A hypothesis is a way of execution v (`mpnas_ray.predictors.encodings.operation_counts`), a list of prices p_d (a known
device's, the mean of them, the usual ones, or none), a spread r, a noise t and a scale l. Under it the cost of an
architecture x with counts c_v(x) is

    cost = l (c_v(x) (p_d + r D_v u) + offset + t e),    u ~ N(0, I), e ~ N(0, 1), offset ~ N(0, wide)

where D_v is what prices typically are. All is Gaussian, so that evidence and posterior have closed forms (Bishop 2006,
section 3.3); hypotheses are weighed by their evidence. Costs are taken in raw units, since that is where they are
linear, from their median and in units of their median absolute deviation: another unit or zero point changes nothing.

The constants are ours; benchmarks/results/cost_predictor.md says on which devices they were chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

__all__ = ["NOISES", "SPREADS", "CostPosterior", "Hypotheses", "cost_unit"]

Floats = NDArray[np.float64]

SPREADS = (0.1, 0.3, 1.0)
"""Spreads of prices around those of a hypothesis, as parts of what prices typically are."""

NOISES = (0.02, 0.05, 0.1, 0.2, 0.4)
"""Standard deviations of the noise, in units of the standard deviation of the costs over the space."""

_SCALES = np.exp(np.linspace(-2.2, 2.2, 17))
"""Standard deviation of the costs over the space, in units of the median absolute deviation of the measured ones."""

_OFFSET = 30.0
"""Standard deviation of the offset, in the same units: wide, as a zero point may be anywhere."""

_FURTHEST = 50.0
"""Number of median absolute deviations from the median where costs are cut off: absurd ones would leave no digits."""

_RULED_OUT = 5.0
"""Number of standard deviations between a cost and what all others say of it from which it is set aside."""

_MOST_SET_ASIDE = 5

_MOST_ASKED = 64
"""Number of costs, those furthest from what is predicted of them, that are compared with what all others say: what that
takes grows with their number times the hypotheses."""


@dataclass(frozen=True)
class Hypotheses:
    """Hypotheses about a cost before it is measured, for V ways of execution and F counts.

    Attributes:
        prices: Price lists that give costs of variance 1 over the space (or 0), ``[V, D, F]``.
        log_prior: Log prior probability of each list, ``[V, D]``.
        typical: Standard deviation of a price at spread 1, ``[V, F]``.
    """

    prices: Floats
    log_prior: Floats
    typical: Floats


def cost_unit(costs: Floats) -> tuple[float, float]:
    """Return the median of n costs that differ, and 1.4826 times the median distance of those not equal to it."""
    middle = float(np.median(costs))
    distance = np.abs(costs - middle)
    return middle, 1.4826 * float(np.median(distance[distance > 0]))


@dataclass(frozen=True)
class _Part:
    """All hypotheses of one way of execution v and one spread, given n costs in their units.

    With F the ``[n, 1 + F]`` design of offset and counts, each column times its prior standard deviation, and
    F = U diag(s) W its singular values, the covariance of the costs is U diag(s^2) U' + t^2 at noise t and scale 1.
    """

    execution: int
    width: Floats  # prior standard deviation of offset and prices, [1 + F]
    left: Floats  # U, [n, k]
    singular: Floats  # s, [k]
    right: Floats  # W, [k, 1 + F]
    costs: Floats  # [n]
    means: Floats  # [n, D], what the price lists say
    log_weight: Floats  # [T, D, L]

    @classmethod
    def of(
        cls, execution: int, spread: float, counts: Floats, costs: Floats, hypotheses: Hypotheses, scales: Floats
    ) -> _Part:
        width = np.concatenate([[_OFFSET], spread * hypotheses.typical[execution]])
        design = np.concatenate([np.ones((len(costs), 1)), counts], axis=1) * width
        left, singular, right = np.linalg.svd(design, full_matrices=False)
        means = counts @ hypotheses.prices[execution].T
        square, variance = np.square(singular), np.square(NOISES)[:, None]
        inside = 1 / (square + variance) - 1 / variance  # [T, k]: A^-1 = U diag(inside) U' + 1 / t^2
        cost, mean = left.T @ costs, left.T @ means
        cost_cost = inside @ np.square(cost) + costs @ costs / variance[:, 0]
        cost_mean = inside @ (cost[:, None] * mean) + (costs @ means) / variance
        mean_mean = inside @ np.square(mean) + np.square(means).sum(axis=0) / variance
        log_det = np.log1p(square / variance).sum(axis=1) / 2 + len(costs) * np.log(NOISES)
        quadratic = cost_cost[:, None, None] / scales**2 - 2 * cost_mean[..., None] / scales + mean_mean[..., None]
        log_weight = hypotheses.log_prior[execution][:, None] - quadratic / 2 - log_det[:, None, None]
        log_weight = log_weight - len(costs) * np.log(scales)
        return cls(execution, width, left, singular, right, costs, means, log_weight)

    def left_out(self, scales: Floats, rows: NDArray[np.intp]) -> tuple[Floats, Floats, Floats]:
        """Leave out each of the ``rows`` in turn, under each hypothesis (Rasmussen and Williams 2006, Eq. 5.12).

        Returns:
            Mean and variance of its cost by all other costs, and the log weight without it: ``[T D L, rows]`` each.
        """
        variance = np.square(NOISES)[:, None]
        inside = np.square(self.singular) / (np.square(self.singular) + variance)  # [T, k]
        diagonal = (1 - inside @ np.square(self.left[rows]).T) / variance  # [T, rows]
        cost = (self.costs[rows] - (inside * (self.left.T @ self.costs)) @ self.left[rows].T) / variance
        mean = self.means[rows].T - np.einsum("tk,kd,rk->tdr", inside, self.left.T @ self.means, self.left[rows])
        wrong = (cost[:, None, None] - scales[:, None] * (mean / variance[..., None])[:, :, None]) / diagonal[
            :, None, None
        ]
        spread = np.square(scales)[:, None] / diagonal[:, None, None] * np.ones_like(wrong)
        log_density = -np.square(wrong) / spread / 2 - np.log(spread) / 2
        shape = (-1, wrong.shape[-1])
        without = (self.log_weight[..., None] - log_density).reshape(shape)
        return (self.costs[rows] - wrong).reshape(shape), spread.reshape(shape), without


@dataclass(frozen=True)
class CostPosterior:
    """Costs of all architectures of a space given n measured ones, as a mixture over hypotheses.

    Attributes:
        hypotheses: Weighed.
        middle: Median of the costs.
        unit: Median absolute deviation of the costs.
        scales: Scales that were tried.
        set_aside: True for those of the n costs that the others rule out, bool ``[n]``.
    """

    hypotheses: Hypotheses
    middle: float
    unit: float
    scales: Floats
    set_aside: NDArray[np.bool_]
    _parts: tuple[_Part, ...]

    @classmethod
    def of(cls, counts: Floats, costs: Floats, hypotheses: Hypotheses) -> CostPosterior:
        """Condition on n architectures' counts ``[V, n, F]`` and costs ``[n]``, which differ; with none, the prior."""
        if not len(costs):
            return cls._of_kept(counts, costs, hypotheses, np.ones(0, dtype=np.bool_))
        kept = np.ones(len(costs), dtype=np.bool_)
        while True:
            found = cls._of_kept(counts, costs, hypotheses, kept)
            allowed = len(costs) // _MOST_SET_ASIDE - int((~kept).sum())
            if allowed <= 0:
                return found
            distance = np.zeros(len(costs))
            asked, distances = found._distances(counts[:, kept])
            distance[np.flatnonzero(kept)[asked]] = distances
            # Those that are far less wrong than the worst may be so because of it: they are asked again without it.
            wrong = np.flatnonzero((distance > _RULED_OUT) & (distance > distance.max() / 2))
            remaining = kept.copy()
            remaining[wrong[np.argsort(-distance[wrong])][:allowed]] = False
            if not wrong.size or np.ptp(costs[remaining]) == 0:
                return found
            kept = remaining

    @classmethod
    def _of_kept(cls, counts: Floats, costs: Floats, hypotheses: Hypotheses, kept: NDArray[np.bool_]) -> CostPosterior:
        if not len(costs):
            middle, unit, scales, standard = 0.0, 1.0, np.ones(1), costs
        else:
            middle, unit = cost_unit(costs[kept])
            scales = _SCALES
            standard = np.clip((costs[kept] - middle) / unit, -_FURTHEST, _FURTHEST)
        parts = tuple(
            _Part.of(execution, spread, counts[execution, kept], standard, hypotheses, scales)
            for execution in range(len(counts))
            for spread in SPREADS
        )
        return cls(hypotheses, middle, unit, scales, ~kept, parts)

    @cached_property
    def weights(self) -> Floats:
        """Posterior probabilities ``[V, spreads, noises, D, scales]``; they sum to 1."""
        logarithms = np.stack([part.log_weight for part in self._parts])
        weights: Floats = np.exp(logarithms - logarithms.max())
        weights /= weights.sum()
        return weights.reshape(len(self.hypotheses.prices), len(SPREADS), *weights.shape[1:])

    def _distances(self, counts: Floats) -> tuple[NDArray[np.intp], Floats]:
        """Compute how far costs in use are from what all others say of them, in standard deviations.

        Args:
            counts: Counts of the m architectures in use, ``[V, m, F]``.

        Returns:
            Places of those with the largest residuals, ``[k]``, and their distances ``[k]``.
        """
        costs = self._parts[0].costs
        residual = np.abs(self.middle + self.unit * costs - self.predict(counts))
        asked = np.argsort(-residual, kind="stable")[:_MOST_ASKED]
        pieces = [part.left_out(self.scales, asked) for part in self._parts]
        mean, variance, log_weight = (np.concatenate(piece) for piece in zip(*pieces, strict=True))
        weight = np.exp(log_weight - log_weight.max(axis=0))
        weight /= weight.sum(axis=0)
        expected = (weight * mean).sum(axis=0)
        spread = (weight * (variance + np.square(mean - expected))).sum(axis=0)
        return asked, np.abs(costs[asked] - expected) / np.sqrt(spread)

    @cached_property
    def moments(self) -> tuple[Floats, Floats]:
        """First and second moments of offset and prices, each times the probability of the way of execution.

        Their shapes are ``[V, 1 + F]`` and ``[V, 1 + F, 1 + F]``, their units those of `unit` from `middle`.
        """
        num_executions, _, num_counts = self.hypotheses.prices.shape
        first = np.zeros((num_executions, 1 + num_counts))
        second = np.zeros((num_executions, 1 + num_counts, 1 + num_counts))
        for part, weights in zip(
            self._parts, self.weights.reshape(len(self._parts), *self.weights.shape[2:]), strict=True
        ):
            v, prices = part.execution, self._with_offset(part.execution)
            for noise, weight in zip(NOISES, weights, strict=True):  # [D, L]
                if weight.sum() < 1e-9:
                    continue
                # Coefficients are a + l b_d: what the costs say, and what a price list says where they do not.
                a, b = self._coefficients(part, noise, prices)
                scaled, squared = weight @ self.scales, weight @ np.square(self.scales)
                mixed = scaled @ b
                first[v] += weight.sum() * a + mixed
                cross = np.outer(a, mixed)
                second[v] += weight.sum() * np.outer(a, a) + cross + cross.T + (b.T * squared) @ b
                left = np.square(part.singular) / (np.square(part.singular) + noise**2)
                narrowed = np.eye(len(part.width)) - (part.right.T * left) @ part.right
                second[v] += squared.sum() * part.width[:, None] * narrowed * part.width
        return first, second

    def _with_offset(self, execution: int) -> Floats:
        prices = self.hypotheses.prices[execution]
        return np.concatenate([np.zeros((len(prices), 1)), prices], axis=1)

    @staticmethod
    def _coefficients(part: _Part, noise: float, prices: Floats) -> tuple[Floats, Floats]:
        """Split the posterior mean of offset and prices at scale l, a + l b_d: a ``[1 + F]``, b ``[D, 1 + F]``."""
        gain = part.width[:, None] * (part.right.T * (part.singular / (np.square(part.singular) + noise**2)))
        return gain @ (part.left.T @ part.costs), prices - (gain @ (part.left.T @ part.means)).T

    def predict(self, counts: Floats) -> Floats:
        """Predict the expected costs ``[N]`` of architectures with counts ``[V, N, F]``, in the unit of the costs."""
        first, _ = self.moments
        mean: Floats = first[:, 0].sum() + np.einsum("vnf,vf->n", counts, first[:, 1:])
        return self.middle + self.unit * mean

    def predict_with_std(self, counts: Floats) -> tuple[Floats, Floats]:
        """Predict expected costs and standard deviations of what they would be without noise, each ``[N]``."""
        first, second = self.moments
        mean, square = np.zeros(counts.shape[1]), np.zeros(counts.shape[1])
        for of_execution, one, two in zip(counts, first, second, strict=True):
            design = np.concatenate([np.ones((len(of_execution), 1)), of_execution], axis=1)
            mean += design @ one
            square += ((design @ two) * design).sum(axis=1)
        return self.middle + self.unit * mean, self.unit * np.sqrt(np.maximum(square - np.square(mean), 0.0))

    def sample(self, counts: Floats, number: int, rng: Generator) -> Floats:
        """Draw cost functions from the posterior, ``[number, N]``: a hypothesis, then offset and prices under it."""
        cumulative = self.weights.ravel().cumsum()
        drawn = np.searchsorted(cumulative, rng.random(number) * cumulative[-1])
        places = np.unravel_index(np.minimum(drawn, len(cumulative) - 1), self.weights.shape)
        sampled = np.empty((number, counts.shape[1]))
        for row, (v, r, t, d, scale_at) in enumerate(zip(*places, strict=True)):
            part, noise, scale = self._parts[v * len(SPREADS) + r], NOISES[t], self.scales[scale_at]
            a, b = self._coefficients(part, noise, self._with_offset(v))
            free = rng.standard_normal(len(part.width))
            # The symmetric root of the posterior covariance, whose eigenvalues are t^2 / (s^2 + t^2), else 1.
            known = 1 - noise / np.sqrt(np.square(part.singular) + noise**2)
            free -= part.right.T @ (known * (part.right @ free))
            coefficients = a + scale * (b[d] + part.width * free)
            sampled[row] = coefficients[0] + counts[v] @ coefficients[1:]
        return self.middle + self.unit * sampled
