"""Learn the prior by gradient descent on the correlation that is reached in episodes of the source tasks.

In an episode one source task plays the new one: a few of its scores are the support, and the mean functions and kernels
do without every source of its data sets or devices. Given the episode, nothing but the prior changes, so episodes are
drawn once and reduced to the few tensors that it acts on; learning then takes seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from mpnas_ray.meta_learning.mixture.config import MixtureConfig
from mpnas_ray.meta_learning.mixture.knowledge import Candidates, Knowledge, candidates, kernels, mean_functions
from mpnas_ray.meta_learning.mixture.process.posterior import (
    Evidence,
    Statistics,
    hypothesis_weights,
    posterior,
    signed_scales,
)
from mpnas_ray.meta_learning.mixture.process.prior import AMPLITUDES, Prior
from mpnas_ray.meta_learning.mixture.process.scales import support_scales
from mpnas_ray.optimizers import Adam
from mpnas_ray.stats import spearman
from mpnas_ray.tables import Kind, normalize

__all__ = ["EpisodeSource", "learn_prior", "validate_prior"]

EPISODES = ((0, 1), (5, 5), (10, 2), (25, 1), (50, 1))
"""Sizes of support sets, and how many episodes have each: most of what a prior can do, it does with few points."""

_NUM_QUERY = 48
_MOST_JUDGED = 1_000
_ROUGHLY = 0.7
_TOP = 4
"""Every second episode of its size is drawn from so many times as many architectures: the best ones by their ranks,
with noise of 0.7 times the ranks' standard deviation. On five design columns, with five random first architectures
each, the best 0.1 % then took 28 queries in the geometric mean, and 44 where all episodes draw from the whole space."""

_CLIPPED = 0.6
"""Part of the episodes whose scores are clipped values; those of the others are normal scores (`support_scales`)."""


@dataclass(frozen=True)
class EpisodeSource:
    """A source task to draw episodes from.

    Attributes:
        known: Knowledge of architectures of its space.
        rows: Indices of those that were measured, int64 ``[n]``.
        scores: Higher is better, ``[n]``.
        kind: Kind of its measurements.
        usable: Sources that share no data set or device with it, bool ``[K]``.
    """

    known: Knowledge
    rows: NDArray[np.int64]
    scores: NDArray[np.float64]
    kind: Kind
    usable: NDArray[np.bool_]


def learn_prior(
    sources: Sequence[EpisodeSource], config: MixtureConfig, on_step: Callable[[int, float], None] | None = None
) -> Prior:
    """Learn the prior that ranks query architectures of held-out sources best.

    Args:
        sources: Sources in the order of the source network's outputs.
        config: Settings and seed.
        on_step: Called after each step with its number and the mean correlation of its episodes.
    """
    rng = np.random.default_rng([config.seed, 2])
    groups = [
        _draw(source, kept, num_points, count, rng)
        for source in sources
        for kept in _choices_of_sources(source, config, rng)
        for num_points, count in EPISODES
    ]
    if not groups:  # a single data set: nothing says how tasks are related
        return Prior.start(len(sources))
    learned = {name: tensor.requires_grad_() for name, tensor in Prior.start(len(sources)).tensors().items()}
    prior = Prior(**learned)
    optimizer = Adam(learned.values(), lr=config.prior_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, config.prior_iterations))
    for step in range(1, config.prior_iterations + 1):
        chosen = [group for group in groups if rng.random() < 0.5] or groups
        optimizer.zero_grad()
        correlations = torch.cat([_correlations(_predicted(group, prior), group.targets) for group in chosen])
        (1 - correlations.mean() + config.shrinkage * prior.penalty()).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if on_step is not None:
            on_step(step, correlations.mean().item())
    return Prior(**{name: tensor.detach() for name, tensor in learned.items()})


def validate_prior(source: EpisodeSource, prior: Prior, rng: Generator) -> float:
    """Compute the mean Spearman correlation in 20 episodes of a source, with 5 points and no source of its data."""
    kept = torch.from_numpy(source.usable)
    log_prior = prior.log_weights(candidates(source.known.reference, kept), 5, float(source.kind == "cost"))
    found = []
    for _ in range(20):
        drawn = rng.permutation(len(source.rows))
        support, query = (torch.from_numpy(source.rows[rows]) for rows in (drawn[:5], drawn[5:_MOST_JUDGED]))
        scores = torch.from_numpy(support_scales(source.scores[drawn[:5]]))
        measured, asked = source.known[support], source.known[query]
        between = kernels(measured, asked, kept).transpose(0, 1)
        both = posterior(measured, scores, kept, log_prior).mean(mean_functions(asked, kept), between)
        predicted = sum(normalize(scale) for scale in both.numpy())
        found.append(spearman(predicted, source.scores[drawn[5:_MOST_JUDGED]]))
    return float(np.mean(found))


@dataclass(frozen=True)
class _Episodes:
    """E episodes of one task with equally many points and the same sources, as far as the prior acts on them.

    The prediction for a query is the sum over hypotheses of their weight times what they predict; without the weights
    that is ``of_scores`` ``[E, H, q]`` and, times sign and scale, ``of_means`` ``[E, H, C, q]``. Without points there
    is nothing but mean functions: H is 1.
    """

    candidates: Candidates
    kind: Kind
    found: Statistics | None
    of_scores: Tensor
    of_means: Tensor
    targets: Tensor


def _choices_of_sources(source: EpisodeSource, config: MixtureConfig, rng: Generator) -> list[Tensor]:
    """Keep all usable sources or, since a new task may be like none of them, a random part."""
    thinned = source.usable & (rng.random(len(source.usable)) >= config.source_dropout)
    return [torch.from_numpy(kept) for kept in (source.usable, thinned) if kept.any()]


def _draw(source: EpisodeSource, kept: Tensor, num_points: int, count: int, rng: Generator) -> _Episodes:
    num_query = min(_NUM_QUERY, len(source.rows) - num_points)
    drawn = np.stack([_drawn_rows(source, num_points + num_query, episode % 2 == 1, rng) for episode in range(count)])
    rows = torch.from_numpy(source.rows[drawn])
    support, query = source.known[rows[:, :num_points]], source.known[rows[:, num_points:]]
    targets = np.stack([normalize(scores, "rank") for scores in source.scores[drawn[:, num_points:]]])
    means = mean_functions(query, kept).mT[:, None]
    listed = candidates(source.known.reference, kept)
    if num_points == 0:
        nothing = means.new_zeros(count, 1, num_query)
        return _Episodes(listed, source.kind, None, nothing.float(), means.float(), torch.from_numpy(targets).float())
    scores = np.stack(
        [support_scales(scores)[0 if rng.random() < _CLIPPED else 1] for scores in source.scores[drawn[:, :num_points]]]
    )
    found = Evidence.of(support, torch.from_numpy(scores)[:, None], kept)
    covariance = torch.einsum("hj,ejqn->ehqn", AMPLITUDES[:, :-1], kernels(query, support, kept))
    explained = covariance @ found.solved
    return _Episodes(
        listed,
        source.kind,
        found.statistics.float(),
        explained[..., 0].float(),
        (means - explained[..., 1:].mT).float(),
        torch.from_numpy(targets).float(),
    )


def _drawn_rows(source: EpisodeSource, number: int, near_the_top: bool, rng: Generator) -> NDArray[np.intp]:
    """Draw architectures of an episode at random, or near the top, which a search that measures them knows roughly."""
    if not near_the_top:
        return rng.choice(len(source.rows), number, replace=False)
    roughly = normalize(source.scores, "rank") + _ROUGHLY * rng.standard_normal(len(source.rows))
    return rng.choice(np.argsort(-roughly)[: _TOP * number], number, replace=False)


def _predicted(episodes: _Episodes, prior: Prior) -> Tensor:
    """Predict the query scores, ``[E, q]``."""
    num_points = 0 if episodes.found is None else episodes.found.num_points
    log_prior = prior.log_weights(episodes.candidates, num_points, float(episodes.kind == "cost"))
    if episodes.found is None:
        probability = log_prior[1].exp().float()
        signed = (probability[:, 0] - probability[:, 1]).expand(len(episodes.targets), 1, -1)
        return torch.einsum("ehc,ehcq->eq", signed, episodes.of_means)
    weights = hypothesis_weights(episodes.found, log_prior)[:, 0]
    direct = torch.einsum("eh,ehq->eq", weights.sum(dim=(2, 3, 4)), episodes.of_scores)
    return direct + torch.einsum("ehc,ehcq->eq", signed_scales(weights), episodes.of_means)


def _correlations(predicted: Tensor, targets: Tensor) -> Tensor:
    """Correlate each row, ``[E]``; 0 where one side does not vary."""
    predicted = predicted - predicted.mean(dim=1, keepdim=True)
    targets = targets - targets.mean(dim=1, keepdim=True)
    lengths = predicted.square().sum(dim=1) * targets.square().sum(dim=1)
    return (predicted * targets).sum(dim=1) / (lengths + 1e-9).sqrt()
