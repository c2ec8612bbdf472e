"""Draw functions from the posterior of the mixture.

A hypothesis is drawn by its probability, then a function of its Gaussian process by Matheron's rule: one drawn from
the prior, corrected by what it says wrongly of the support. The linear kernels have exact features, the radial ones
have random Fourier features (Rahimi and Recht 2007); the correction uses the exact kernels.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from mpnas_ray.meta_learning.mixture.knowledge import LINEAR, Knowledge, kernels, mean_functions, views
from mpnas_ray.meta_learning.mixture.process.posterior import OFFSET_VARIANCE, Evidence, hypothesis_weights
from mpnas_ray.meta_learning.mixture.process.prior import AMPLITUDES, SCALES

__all__ = ["sample_posterior"]

_NUM_FOURIER = 512


def sample_posterior(
    support: Knowledge,
    scores: Tensor,
    known: Knowledge,
    kept: Tensor,
    log_prior: tuple[Tensor, Tensor],
    num_samples: int,
    rng: Generator,
    doubt: Tensor | None = None,
) -> NDArray[np.float64]:
    """Draw score functions, half of them given each scale of the scores.

    Args:
        support: Knowledge of the n measured architectures; with none the functions are drawn from the prior.
        scores: Scores of the measured architectures on E scales, ``[E, n]``.
        known: Knowledge of the N architectures where the functions are wanted.
        kept: Sources in use.
        log_prior: Log prior of the hypotheses.
        num_samples: S.
        rng: Source of all randomness.
        doubt: See `Evidence.of`.

    Returns:
        ``[S, N]``.
    """
    num_scales, num_points = scores.shape
    found = Evidence.of(support[torch.arange(num_points)[None]], scores[None], kept, doubt)
    weights = hypothesis_weights(found.statistics, log_prior)[0]
    scale = torch.from_numpy(rng.permutation(np.arange(num_samples) % num_scales))
    cumulative = weights.flatten(1).cumsum(dim=1)[scale]
    drawn = torch.from_numpy(rng.random((num_samples, 1))) * cumulative[:, -1:]
    place = torch.searchsorted(cumulative, drawn)[:, 0].clamp(max=cumulative.shape[1] - 1)
    amplitude, mean, sign, factor = (torch.from_numpy(i) for i in np.unravel_index(place.numpy(), weights.shape[1:]))

    amplitudes = AMPLITUDES[amplitude]  # [S, kernels + 1]
    signs = 1.0 - 2.0 * sign[:, None]
    prior_support, prior_known = _prior_functions(support, known, kept, amplitudes[:, :-1], rng)
    offset = math.sqrt(OFFSET_VARIANCE) * torch.from_numpy(rng.standard_normal((num_samples, 1)))
    variance = amplitudes[:, -1:] if doubt is None else amplitudes[:, -1:] + doubt
    noise = variance.sqrt() * torch.from_numpy(rng.standard_normal((num_samples, num_points)))
    believed = signs * mean_functions(support, kept).T[mean] + prior_support + offset + noise
    wrong = scores[scale] / SCALES[factor][:, None] - believed
    solved = torch.cholesky_solve(wrong[..., None], found.cholesky[0, amplitude])[..., 0]
    covariance = torch.einsum("jqn,sj,sn->sq", kernels(known, support, kept), amplitudes[:, :-1], solved)
    corrected = prior_known + offset + covariance + OFFSET_VARIANCE * solved.sum(dim=1, keepdim=True)
    sampled = SCALES[factor][:, None] * (signs * mean_functions(known, kept).T[mean] + corrected)
    return np.asarray(sampled.numpy(), dtype=np.float64)


def _prior_functions(
    support: Knowledge, known: Knowledge, kept: Tensor, amplitudes: Tensor, rng: Generator
) -> tuple[Tensor, Tensor]:
    """Draw one function of each prior process at the support ``[S, n]`` and elsewhere ``[S, N]``.

    In single precision, which halves the time and is far finer than what differs from draw to draw.
    """
    here, there = [], []
    for linear, *described in zip(LINEAR, views(support, kept), views(known, kept), strict=True):
        at_support, elsewhere = (part.float() for part in described)
        if linear:
            here.append(at_support)
            there.append(elsewhere)
            continue
        # The kernel exp(-|x - y|^2) is that of frequencies with variance 2.
        frequencies = torch.from_numpy(rng.standard_normal((elsewhere.shape[1], _NUM_FOURIER))) * math.sqrt(2)
        phases = torch.from_numpy(rng.uniform(0, 2 * math.pi, _NUM_FOURIER))
        for found, part in ((here, at_support), (there, elsewhere)):
            found.append(math.sqrt(2 / _NUM_FOURIER) * torch.addmm(phases.float(), part, frequencies.float()).cos_())
    stds = torch.cat([amplitudes[:, [place]].sqrt().expand(-1, part.shape[1]) for place, part in enumerate(here)], 1)
    weights = (stds * torch.from_numpy(rng.standard_normal(stds.shape))).float()
    at_support, elsewhere = ((weights @ torch.cat(parts, dim=1).T).double() for parts in (here, there))
    return at_support, elsewhere
