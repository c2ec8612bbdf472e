"""Bayes' rule over all hypotheses about a task, in closed form and for many episodes at once.

A hypothesis is a mean function m_c, a sign s, a scale l and amplitudes a = (a_1, ..., a_6, noise):

    scores = l (s m_c(x) + g(x) + offset + noise),   g ~ GP(0, a_1 k_1 + ... + a_6 k_6)

Given the hypothesis, scores are Gaussian, so their evidence and the prediction have closed forms. With A_a the
covariance of the support and whitened vectors L_a^-1 v, both are inner products that do not depend on sign and scale:
the sum over H amplitudes, C mean functions, 2 signs and 7 scales costs H Cholesky factors.

The scores of a support set may be given on several scales, such as values and ranks; each has its own posterior, and
all share the Cholesky factors.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mpnas_ray.meta_learning.mixture.knowledge import NUM_KERNELS, Knowledge, kernel_diagonals, kernels, mean_functions
from mpnas_ray.meta_learning.mixture.process.prior import AMPLITUDES, LOG_SCALE_PRIOR, SCALES

__all__ = [
    "Evidence",
    "Posterior",
    "Statistics",
    "hypothesis_weights",
    "log_likelihoods",
    "posterior",
    "signed_scales",
]

OFFSET_VARIANCE = 25.0
"""Variance of the offset, in units of a mean function's variance: wide, as scores may be of any level."""

_NEGLIGIBLE = 0.03
"""Probability of the hypotheses that `Posterior.moments` leaves out: most; standard deviations change by 2 %."""

_BLOCK = 1_000_000
"""Covariances, of hypotheses, support and candidates, that `Posterior.moments` computes at once: 8 MB."""

_SIGNS = torch.tensor([1.0, -1.0], dtype=torch.float64)


@dataclass(frozen=True)
class Statistics:
    """Statistics that the probabilities of the hypotheses depend on, for E support sets with scores on S scales.

    Attributes:
        num_points: n.
        score_score: Inner products of the whitened scores with themselves, ``[E, S, H]``.
        score_mean: Products of whitened scores and mean functions, ``[E, S, H, C]``.
        mean_mean: Products of whitened mean functions with themselves, ``[E, H, C]``.
        log_det: Halves of the log determinants, ``[E, H]``.
    """

    num_points: int
    score_score: Tensor
    score_mean: Tensor
    mean_mean: Tensor
    log_det: Tensor

    def float(self) -> Statistics:
        """Convert to single precision, which is enough once the factors are applied."""
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
        cholesky: Factors L_a of the covariances, ``[E, H, n, n]``.
        solved: A_a^-1 times the scores on each scale, then times each mean function: ``[E, H, n, S + C]``.
        statistics: Inner products of the whitened scores and mean functions.
    """

    cholesky: Tensor
    solved: Tensor
    statistics: Statistics

    @classmethod
    def of(cls, support: Knowledge, scores: Tensor, kept: Tensor, doubt: Tensor | None = None) -> Evidence:
        """Compute evidence from support sets ``[E, n]`` and their scores on each scale ``[E, S, n]``, n at least 1.

        ``doubt`` ``[n]`` is added to the noise of each score, see
        `mpnas_ray.meta_learning.mixture.process.scales.support_doubt`.
        """
        amplitudes, num_scales = AMPLITUDES.to(scores), scores.shape[1]
        covariance = torch.einsum("hj,ejab->ehab", amplitudes[:, :-1], kernels(support, support, kept))
        noise = amplitudes[:, -1, None, None] * torch.eye(scores.shape[2]).to(scores)
        if doubt is not None:
            noise = noise + doubt.diag()
        cholesky = torch.linalg.cholesky(covariance + noise + OFFSET_VARIANCE)
        vectors = torch.cat([scores.mT, mean_functions(support, kept)], dim=-1)[:, None]
        vectors = vectors.expand(-1, len(amplitudes), -1, -1)
        whitened = torch.linalg.solve_triangular(cholesky, vectors, upper=False)
        score, mean = whitened[..., :num_scales], whitened[..., num_scales:]
        statistics = Statistics(
            scores.shape[2],
            score.square().sum(dim=2).transpose(1, 2),
            (score.mT @ mean).transpose(1, 2),
            mean.square().sum(dim=2),
            cholesky.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1),
        )
        solved = torch.linalg.solve_triangular(cholesky.mT, whitened, upper=True)
        return cls(cholesky, solved, statistics)


def log_likelihoods(found: Statistics) -> Tensor:
    """Compute the log probability of the scores under each hypothesis, up to a constant, ``[E, S, H, C, 2, 7]``."""
    like = found.score_score
    scales, signs = SCALES.to(like), _SIGNS.to(like)
    quadratic = (
        found.score_score[..., None, None, None] / scales.square()
        - 2 * found.score_mean[..., None, None] * signs[:, None] / scales
        + found.mean_mean[:, None, ..., None, None]
    )
    return -quadratic / 2 - found.num_points * scales.log() - found.log_det[:, None, :, None, None, None]


def hypothesis_weights(found: Statistics, log_prior: tuple[Tensor, Tensor]) -> Tensor:
    """Compute posterior probabilities ``[E, S, H, C, 2, 7]``; they sum to 1 for each scale of each support set."""
    log_weight = log_likelihoods(found) + _log_prior(log_prior, found.score_score)
    return log_weight.flatten(2).softmax(dim=2).view(log_weight.shape)


def _log_prior(log_prior: tuple[Tensor, Tensor], like: Tensor) -> Tensor:
    """Compute the log prior probabilities of all hypotheses, ``[H, C, 2, 7]``."""
    amplitude, mean = (part.to(like) for part in log_prior)
    return amplitude[:, None, None, None] + mean[:, :, None] + LOG_SCALE_PRIOR.to(like)


def signed_scales(weights: Tensor) -> Tensor:
    """Compute the expected sign times scale, jointly with amplitudes and mean function: ``[..., H, C]``."""
    return torch.einsum("...hcsl,s,l->...hc", weights, _SIGNS.to(weights), SCALES.to(weights))


@dataclass(frozen=True)
class Posterior:
    """Posterior of the scores given one support set, on each of S scales.

    Attributes:
        support: Knowledge of the n measured architectures.
        kept: Sources in use, ``[K]``.
        mean_weights: Weights of the mean functions, ``[S, C]``.
        kernel_weights: Weights of the kernels with each support architecture, ``[S, kernels, n]``.
        evidence: None without points.
        weights: Probabilities of the hypotheses, ``[S, H, C, 2, 7]``; None without points.
    """

    support: Knowledge
    kept: Tensor
    mean_weights: Tensor
    kernel_weights: Tensor
    evidence: Evidence | None = None
    weights: Tensor | None = None

    def mean(self, means: Tensor, between: Tensor) -> Tensor:
        """Compute expected scores up to a constant, ``[S, N]``.

        Args:
            means: Mean functions of N architectures, ``[N, C]``.
            between: Kernels between candidates and support, ``[n, kernels, N]``.
        """
        weights = self.kernel_weights.to(between).transpose(1, 2).flatten(1)
        return self.mean_weights.to(means) @ means.T + weights @ between.flatten(0, 1)

    def moments(self, known: Knowledge, means: Tensor, between: Tensor) -> tuple[Tensor, Tensor]:
        """Compute means and variances of the noiseless scores of N architectures on each scale, ``[S, N]`` each.

        Over the probable hypotheses and all functions of their Gaussian processes. The means have the offset that
        `mean` leaves out.

        Args:
            known: Knowledge of the architectures.
            means: See `mean`.
            between: See `mean`.

        Raises:
            ValueError: Without points.
        """
        if self.evidence is None or self.weights is None:
            raise ValueError("without points there is nothing but the prior")
        own, of_means = kernel_diagonals(known, self.kept), means.double().T.contiguous()
        of_kernel = between.transpose(0, 1).contiguous().double().flatten(1)  # [kernels, n * N]
        probable = [_probable(of_scale.sum(dim=(1, 2, 3))) for of_scale in self.weights]
        totals = torch.zeros(2, len(self.weights), len(known), dtype=torch.float64)
        for some in torch.unique(torch.cat(probable)).split(max(1, _BLOCK // max(between[:, 0].numel(), 1))):
            amplitudes = AMPLITUDES[some, :-1]
            covariances = (amplitudes @ of_kernel).add_(OFFSET_VARIANCE).view(len(some), len(between), len(known))
            whitened = torch.linalg.solve_triangular(self.evidence.cholesky[0, some], covariances, upper=False)
            left = (amplitudes @ own + OFFSET_VARIANCE - whitened.square_().sum(dim=1)).clamp(min=0)
            for place, h in enumerate(some.tolist()):
                for scale, of_scale in enumerate(probable):
                    if h in of_scale:
                        weight = self.weights[scale, h] / self.weights[scale, of_scale].sum()
                        solved = self.evidence.solved[0, h]
                        from_scores, of_mean = solved[:, scale], solved[:, len(self.weights) :]
                        totals[:, scale] += _moments(
                            weight, of_means, from_scores, of_mean, covariances[place], left[place]
                        )
        first, second = totals
        return first, (second - first.square()).clamp(min=0)


def _moments(
    weight: Tensor, means: Tensor, from_scores: Tensor, from_means: Tensor, covariance: Tensor, left: Tensor
) -> Tensor:
    """Compute first and second moments of scores under some amplitudes, ``[2, N]``, times their probability.

    Args:
        weight: Probabilities of mean functions, signs and scales, ``[C, 2, 7]``; improbable ones are left out.
        means: Mean functions, ``[C, N]``.
        from_scores: The inverse covariance of the support times its scores, ``[n]``.
        from_means: The same times its mean functions, ``[n, C]``.
        covariance: Covariances of support and candidates, ``[n, N]``.
        left: Variances of the candidates given the support, at scale 1, ``[N]``.
    """
    c = _probable(weight.sum(dim=(1, 2)))
    weight = weight[c] * (weight.sum() / weight[c].sum())
    signed = torch.einsum("csl,s,l->c", weight, _SIGNS, SCALES)
    squared = weight.sum(dim=1) @ SCALES.square()
    # The score is l (s m + r) + v: r and v are what the points add given the mean function, and the scores.
    added = from_scores @ covariance
    residual = means[c] - from_means[:, c].T @ covariance
    linear = signed @ residual
    return torch.stack(
        [
            linear + weight.sum() * added,
            squared @ residual.square_() + 2 * linear * added + weight.sum() * added.square() + squared.sum() * left,
        ]
    )


def posterior(
    support: Knowledge,
    scores: Tensor,
    kept: Tensor,
    log_prior: tuple[Tensor, Tensor],
    doubt: Tensor | None = None,
) -> Posterior:
    """Condition on n measured architectures and their scores ``[S, n]``, with ``doubt`` as in `Evidence.of`.

    Without any it is the prior's expectation.
    """
    if scores.shape[1] == 0:
        probability = log_prior[1].exp()
        weights = (probability[:, 0] - probability[:, 1]).expand(len(scores), -1)
        return Posterior(support, kept, weights, scores.new_zeros(len(scores), NUM_KERNELS, 0))
    found = Evidence.of(support[torch.arange(scores.shape[1])[None]], scores[None], kept, doubt)
    weights = hypothesis_weights(found.statistics, log_prior)[0]
    signed = signed_scales(weights)
    of_scores, of_means = found.solved[0, :, :, : len(scores)], found.solved[0, :, :, len(scores) :]
    residual = torch.einsum("sh,hns->shn", weights.sum(dim=(2, 3, 4)), of_scores)
    residual = residual - torch.einsum("hnc,shc->shn", of_means, signed)
    kernel_weights = torch.einsum("hj,shn->sjn", AMPLITUDES[:, :-1].to(scores), residual)
    return Posterior(support, kept, signed.sum(dim=1), kernel_weights, found, weights)


def _probable(probabilities: Tensor) -> Tensor:
    """Find the places of the fewest entries that hold all of the sum but the negligible part."""
    ordered, places = probabilities.sort(descending=True)
    needed = int((ordered.cumsum(0) < (1 - _NEGLIGIBLE) * ordered.sum()).sum()) + 1
    return places[:needed]
