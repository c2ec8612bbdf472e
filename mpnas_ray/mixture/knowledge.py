"""What is known of architectures before a task is measured: mean functions that it may have, and kernels around them.

Everything is standardised over random architectures of the space, without looking at any score, so that a number means
the same in every space: one standard deviation of what this space has to offer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mpnas_ray.mixture.config import MixtureConfig
from mpnas_ray.predictors.operation_counts import USUAL_PRICES, operation_counts
from mpnas_ray.spaces import Architectures
from mpnas_ray.tables import Kind

__all__ = [
    "Candidates",
    "Knowledge",
    "Reference",
    "Source",
    "candidates",
    "kernel_diagonals",
    "kernels",
    "mean_functions",
    "price_lists",
    "priced_counts",
]

TASK_KINDS: tuple[Kind, Kind] = ("quality", "cost")
"""What a task measures; a kind's number is its place."""

SAME_SPACE, OTHER_SPACE, POOL, NOTHING, PRICES = range(5)
"""Categories of mean functions."""

NUM_CATEGORIES = 5
NUM_KERNELS = 3


@dataclass(frozen=True)
class Source:
    """A task that was learned from: its name, its space, and whether it measures a quality or a cost."""

    name: str
    space: str
    kind: Kind


@dataclass(frozen=True)
class Reference:
    """What random architectures of a space are like, and how the sources relate to it.

    Attributes:
        space: Name of the space.
        location: Means of all columns, float64 ``[columns]``.
        factor: 1 / standard deviation of each, 0 for one that does not vary.
        widths: Number of columns: outputs of the source network, features, operation counts, prices.
        covariance: Of the standardised rank outputs, ``[K, K]``.
        same_space: Which sources are of this space, bool ``[K]``.
        cost: Which sources measure a cost, bool ``[K]``.
    """

    space: str
    location: Tensor
    factor: Tensor
    widths: list[int]
    covariance: Tensor
    same_space: Tensor
    cost: Tensor

    @classmethod
    def of(cls, raw: tuple[Tensor, ...], space: str, sources: tuple[Source, ...]) -> Reference:
        """From the raw numbers of random architectures, as `Knowledge.of` takes them."""
        columns = torch.cat(raw, dim=1)
        deviation = columns.std(dim=0, correction=0)
        factor = torch.where(deviation > 1e-6, 1 / deviation.clamp(min=1e-6), 0.0)
        location = columns.mean(dim=0)
        ranks = ((columns - location) * factor)[:, : len(sources)]
        return cls(
            space,
            location,
            factor,
            [part.shape[1] for part in raw],
            ranks.T @ ranks / len(ranks),
            torch.tensor([source.space == space for source in sources]),
            torch.tensor([source.kind == "cost" for source in sources]),
        )


@dataclass(frozen=True)
class Knowledge:
    """What is known of N architectures of one space; leading dimensions ``...`` are ``[N]`` or ``[episodes, n]``.

    Attributes:
        ranks: Predicted ranks in each source task, float64 ``[..., K]``.
        values: Predicted values in each source task, ``[..., K]``.
        features: Of the source network, scaled to mean square norm 1, ``[..., width]``.
        counts: Of operations, scaled likewise, ``[..., 22]``.
        prices: Minus the price by each list, ``[..., P]``.
        reference: Of the space.
    """

    ranks: Tensor
    values: Tensor
    features: Tensor
    counts: Tensor
    prices: Tensor
    reference: Reference

    @classmethod
    def of(cls, raw: tuple[Tensor, ...], reference: Reference) -> Knowledge:
        """From outputs ``[N, 2 K]`` and features of the source network, operation counts and prices."""
        standard = (torch.cat(raw, dim=1) - reference.location) * reference.factor
        outputs, features, counts, prices = torch.split(standard, reference.widths, dim=1)
        varying = torch.split(reference.factor, reference.widths)[2].count_nonzero().clamp(min=1)
        ranks, values = outputs.chunk(2, dim=1)
        return cls(ranks, values, features / features.shape[1] ** 0.5, counts / varying**0.5, prices, reference)

    def __getitem__(self, rows: Tensor | slice) -> Knowledge:
        """That of these architectures; an index of shape [episodes, n] gives ``[episodes, n, ...]``."""
        return Knowledge(
            self.ranks[rows],
            self.values[rows],
            self.features[rows],
            self.counts[rows],
            self.prices[rows],
            self.reference,
        )

    def __len__(self) -> int:
        return len(self.ranks)


def price_lists(config: MixtureConfig) -> NDArray[np.float64]:
    """Random prices of operations, ``[P, 22]``: half of the lists charge every operation, half only live ones."""
    rng = np.random.default_rng([config.seed, 7])
    noise = config.price_spread * rng.standard_normal((config.num_price_lists, len(USUAL_PRICES)))
    prices = USUAL_PRICES * np.exp(noise)
    every = np.arange(config.num_price_lists)[:, None] < config.num_price_lists / 2
    return np.concatenate([prices * every, prices * ~every], axis=1)


def priced_counts(archs: Architectures, lists: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    """Operation counts ``[N, 22]`` and minus the prices ``[N, P]``."""
    counts = operation_counts(archs)
    return torch.from_numpy(counts), torch.from_numpy(-counts @ lists.T)


@dataclass(frozen=True)
class Candidates:
    """The C mean functions that a new task may have.

    Attributes:
        category: Number of its category, ``[C]``.
        source: Number of the source task, or -1, ``[C]``.
        kind: A place in `TASK_KINDS`, or -1 for either, ``[C]``.
        there: Whether it may be used, ``[C]``.
    """

    category: Tensor
    source: Tensor
    kind: Tensor
    there: Tensor


def candidates(reference: Reference, kept: Tensor) -> Candidates:
    """Those for a task of the reference's space that may look at the sources ``kept``, bool ``[K]``."""
    num_sources, num_prices = len(kept), reference.widths[3]
    category = torch.where(reference.same_space, SAME_SPACE, OTHER_SPACE)
    kind = reference.cost.long()
    index = torch.arange(num_sources)
    pools = torch.stack([(members & kept).any() for members in _pools(reference)])
    return Candidates(
        torch.cat([category, category, torch.tensor([POOL] * 3 + [NOTHING]), torch.full((num_prices,), PRICES)]),
        torch.cat([index, index, torch.full((4 + num_prices,), -1)]),
        torch.cat([kind, kind, torch.tensor([0, 0, 1, -1]), torch.full((num_prices,), -1)]),
        torch.cat([kept, kept, pools, torch.ones(1 + num_prices, dtype=torch.bool)]),
    )


def mean_functions(known: Knowledge, kept: Tensor) -> Tensor:
    """Values of all candidates, ``[..., C]``; those that may not be used are 0."""
    pools = [_pooled(known, members & kept) for members in _pools(known.reference)]
    nothing = torch.zeros_like(pools[0])
    return torch.cat([known.ranks * kept, known.values * kept, *pools, nothing, known.prices], dim=-1)


def kernels(one: Knowledge, other: Knowledge, kept: Tensor) -> Tensor:
    """Covariances of what a task may add to its mean function, ``[..., 3, n, m]``.

    Linear in the predictions for the sources ``kept``, linear in operation counts, and radial in the features; each of
    variance 1 on average over the space.
    """
    weights = kept / (2 * kept.sum().clamp(min=1))
    sources = (one.ranks * weights) @ other.ranks.mT + (one.values * weights) @ other.values.mT
    counts = one.counts @ other.counts.mT
    squares = one.features.square().sum(-1)[..., :, None] + other.features.square().sum(-1)[..., None, :]
    distance = (squares - 2 * one.features @ other.features.mT).clamp(min=0)
    return torch.stack([sources, counts, torch.exp(-distance / 4)], dim=-3)  # the mean squared distance is 2


def kernel_diagonals(known: Knowledge, kept: Tensor) -> Tensor:
    """The variances of `kernels`, ``[3, N]``."""
    weights = kept.to(known.ranks) / (2 * kept.sum().clamp(min=1))
    sources = (known.ranks.square() + known.values.square()) @ weights
    return torch.stack([sources, known.counts.square().sum(dim=1), torch.ones_like(sources)])


def _pools(reference: Reference) -> tuple[Tensor, Tensor, Tensor]:
    """Sources that are averaged: qualities of this space, qualities of others, costs."""
    return (
        reference.same_space & ~reference.cost,
        ~reference.same_space & ~reference.cost,
        reference.cost,
    )


def _pooled(known: Knowledge, members: Tensor) -> Tensor:
    """Mean rank in the sources ``members``, standardised, ``[..., 1]``."""
    weights = members.double()
    variance = weights @ known.reference.covariance @ weights
    return (known.ranks @ weights)[..., None] / variance.clamp(min=1e-6).sqrt()
