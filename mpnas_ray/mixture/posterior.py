"""Bayes' rule over all hypotheses about a task, in closed form and for many episodes at once.

A hypothesis is a mean function m_c, a sign s, a scale l and amplitudes a = (a_1, a_2, a_3, noise):

    scores = l (s m_c(x) + g(x) + offset + noise),   g ~ GP(0, a_1 k_1 + a_2 k_2 + a_3 k_3)

Given the hypothesis, scores are Gaussian, so their evidence and the prediction have closed forms. With A_a the
covariance of the support and whitened vectors L_a^-1 v, both are inner products that do not depend on sign and scale:
the sum over H amplitudes, C mean functions, 2 signs and 7 scales costs H Cholesky factors.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mpnas_ray.mixture.knowledge import NUM_KERNELS, Knowledge, kernel_diagonals, kernels, mean_functions
from mpnas_ray.mixture.prior import AMPLITUDES, LOG_SCALE_PRIOR, SCALES

__all__ = [
    "Evidence",
    "Posterior",
    "Statistics",
    "hypothesis_weights",
    "posterior",
    "signed_scales",
    "variances",
]

OFFSET_VARIANCE = 25.0
"""Of the offset, in units of a mean function's variance: wide, as scores may be of any level."""

_NEGLIGIBLE = 0.03
"""Probability of the hypotheses that `variances` leaves out, which are most of them: deviations change by 2 %."""

_SIGNS = torch.tensor([1.0, -1.0], dtype=torch.float64)


@dataclass(frozen=True)
class Statistics:
    """All that the probability of a hypothesis depends on, for E support sets.

    Attributes:
        num_points: n.
        score_score: Inner products of the whitened scores with themselves, ``[E, H]``.
        score_mean: Of whitened scores and mean functions, ``[E, H, C]``.
        mean_mean: Of whitened mean functions with themselves, ``[E, H, C]``.
        log_det: Halves of the log determinants, ``[E, H]``.
    """

    num_points: int
    score_score: Tensor
    score_mean: Tensor
    mean_mean: Tensor
    log_det: Tensor

    def float(self) -> Statistics:
        """In single precision, which is enough once the factors are applied."""
        return Statistics(
            self.num_points,
            self.score_score.float(),
            self.score_mean.float(),
            self.mean_mean.float(),
            self.log_det.float(),
        )


@dataclass(frozen=True)
class Evidence:
    """E support sets under all hypotheses.

    Attributes:
        scores: ``[E, n]``.
        means: Mean functions of the support, ``[E, n, C]``.
        cholesky: Factors L_a of the covariances, ``[E, H, n, n]``.
        statistics: Their inner products.
    """

    scores: Tensor
    means: Tensor
    cholesky: Tensor
    statistics: Statistics

    def solved(self) -> Tensor:
        """A_a^-1 times the scores, then times each mean function: ``[E, H, n, 1 + C]``."""
        return torch.cholesky_solve(self._vectors(), self.cholesky)

    def _vectors(self) -> Tensor:
        vectors = torch.cat([self.scores[..., None], self.means], dim=-1)
        return vectors[:, None].expand(-1, self.cholesky.shape[1], -1, -1)

    @classmethod
    def of(cls, support: Knowledge, scores: Tensor, kept: Tensor, doubt: Tensor | None = None) -> Evidence:
        """From support sets ``[E, n]`` and their scores ``[E, n]``, with n of 1 or more.

        ``doubt`` ``[n]`` is added to the noise of each score, see `mpnas_ray.mixture.scales.support_doubt`.
        """
        amplitudes = AMPLITUDES.to(scores)
        covariance = torch.einsum("hj,ejab->ehab", amplitudes[:, :3], kernels(support, support, kept))
        noise = amplitudes[:, 3, None, None] * torch.eye(scores.shape[1]).to(scores)
        if doubt is not None:
            noise = noise + doubt.diag()
        cholesky = torch.linalg.cholesky(covariance + noise + OFFSET_VARIANCE)
        vectors = torch.cat([scores[..., None], mean_functions(support, kept)], dim=-1)
        whitened = torch.linalg.solve_triangular(
            cholesky, vectors[:, None].expand(-1, len(amplitudes), -1, -1), upper=False
        )
        score, mean = whitened[..., :1], whitened[..., 1:]
        statistics = Statistics(
            scores.shape[1],
            score.square().sum(dim=(2, 3)),
            (score * mean).sum(dim=2),
            mean.square().sum(dim=2),
            cholesky.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1),
        )
        return cls(scores, vectors[..., 1:], cholesky, statistics)


def hypothesis_weights(found: Statistics, log_prior: tuple[Tensor, Tensor]) -> Tensor:
    """Posterior probabilities ``[E, H, C, 2, scales]``; they sum to 1 in each episode."""
    like = found.score_score
    scales, signs = SCALES.to(like), _SIGNS.to(like)
    quadratic = (
        found.score_score[:, :, None, None, None] / scales.square()
        - 2 * found.score_mean[..., None, None] * signs[:, None] / scales
        + found.mean_mean[..., None, None]
    )
    log_likelihood = -quadratic / 2 - found.num_points * scales.log() - found.log_det[:, :, None, None, None]
    amplitude, mean = (part.to(like) for part in log_prior)
    log_weight = log_likelihood + amplitude[:, None, None, None] + mean[:, :, None] + LOG_SCALE_PRIOR.to(like)
    return log_weight.flatten(1).softmax(dim=1).view(log_weight.shape)


def signed_scales(weights: Tensor) -> Tensor:
    """Expected sign times scale, jointly with amplitudes and mean function: ``[E, H, C]``."""
    return torch.einsum("ehcsl,s,l->ehc", weights, _SIGNS.to(weights), SCALES.to(weights))


@dataclass(frozen=True)
class Posterior:
    """The expected scores given E support sets, as a function of what is known of an architecture.

    Attributes:
        support: ``[E, n]``.
        kept: Sources in use, ``[K]``.
        mean_weights: Of the mean functions, ``[E, C]``.
        kernel_weights: Of the kernels with each support architecture, ``[E, 3, n]``.
    """

    support: Knowledge
    kept: Tensor
    mean_weights: Tensor
    kernel_weights: Tensor

    def mean(self, known: Knowledge) -> Tensor:
        """Expected scores up to a constant, ``[E, N]``, of architectures ``[N]``."""
        residual = torch.einsum("ejqn,ejn->eq", kernels(known, self.support, self.kept), self.kernel_weights)
        return self.mean_weights @ mean_functions(known, self.kept).mT + residual


def posterior(
    support: Knowledge,
    scores: Tensor,
    kept: Tensor,
    log_prior: tuple[Tensor, Tensor],
    doubt: Tensor | None = None,
) -> Posterior:
    """Condition on support sets ``[E, n]``, with ``doubt`` as in `Evidence.of`; n = 0 is the prior's expectation."""
    if scores.shape[1] == 0:
        probability = log_prior[1].exp()
        weights = (probability[:, 0] - probability[:, 1]).expand(len(scores), -1)
        return Posterior(support, kept, weights, scores.new_zeros(len(scores), NUM_KERNELS, 0))
    found = Evidence.of(support, scores, kept, doubt)
    weights = hypothesis_weights(found.statistics, log_prior)
    signed = signed_scales(weights)
    solved = found.solved()
    residual = weights.sum(dim=(2, 3, 4))[..., None] * solved[..., 0] - (solved[..., 1:] @ signed[..., None])[..., 0]
    kernel_weights = torch.einsum("hj,ehn->ejn", AMPLITUDES[:, :3].to(scores), residual)
    return Posterior(support, kept, signed.sum(dim=1), kernel_weights)


def variances(
    support: Knowledge,
    scores: Tensor,
    known: Knowledge,
    kept: Tensor,
    log_prior: tuple[Tensor, Tensor],
    doubt: Tensor | None = None,
) -> Tensor:
    """Variances of the noiseless scores of N architectures, in the units of the scores, ``[E, N]``.

    Over the probable hypotheses and all functions of their Gaussian processes.

    Args:
        support: Of the n measured architectures.
        scores: Theirs on E scales, ``[E, n]``, n of 1 or more.
        known: Of the N architectures.
        kept: Sources in use.
        log_prior: Of the hypotheses.
        doubt: See `Evidence.of`.
    """
    rows = torch.arange(scores.shape[1]).expand(len(scores), -1)
    found = Evidence.of(support[rows], scores, kept, doubt)
    weights = hypothesis_weights(found.statistics, log_prior)
    between, of_known = kernels(known, support, kept), mean_functions(known, kept)
    own = kernel_diagonals(known, kept)
    spread = []
    for episode, of_episode in enumerate(weights):
        first = torch.zeros(len(known), dtype=scores.dtype)
        second = torch.zeros_like(first)
        probable = _probable(of_episode.sum(dim=(1, 2, 3)))
        for h in probable:
            weight = of_episode[h] / of_episode[probable].sum()
            c = _probable(weight.sum(dim=(1, 2)))
            weight = weight[c] * (weight.sum() / weight[c].sum())
            signed = torch.einsum("csl,s,l->c", weight, _SIGNS, SCALES)
            squared = weight.sum(dim=1) @ SCALES.square()
            # The score is l (s m + r) + v: r and v are what the points add given the mean function, and the scores.
            cholesky = found.cholesky[episode, h]
            covariance = torch.einsum("j,jqn->qn", AMPLITUDES[h, :NUM_KERNELS], between) + OFFSET_VARIANCE
            vectors = torch.cat([scores[episode, :, None], found.means[episode][:, c]], dim=1)
            explained = covariance @ torch.cholesky_solve(vectors, cholesky)
            from_scores, deviation = explained[:, 0], of_known[:, c] - explained[:, 1:]
            linear = deviation @ signed
            first += linear + weight.sum() * from_scores
            second += deviation.square() @ squared + 2 * linear * from_scores + weight.sum() * from_scores.square()
            whitened = torch.linalg.solve_triangular(cholesky, covariance.T, upper=False)
            remaining = AMPLITUDES[h, :NUM_KERNELS] @ own + OFFSET_VARIANCE - whitened.square().sum(dim=0)
            second += squared.sum() * remaining.clamp(min=0)
        spread.append((second - first.square()).clamp(min=0))
    return torch.stack(spread)


def _probable(probabilities: Tensor) -> Tensor:
    """Places of the fewest entries that hold all of the sum but the negligible part."""
    ordered, places = probabilities.sort(descending=True)
    needed = int((ordered.cumsum(0) < (1 - _NEGLIGIBLE) * ordered.sum()).sum()) + 1
    return places[:needed]
