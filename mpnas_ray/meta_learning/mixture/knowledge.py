"""Knowledge of architectures before a task is measured: mean functions that it may have, and kernels around them.

Everything is standardised over random architectures of the space, without looking at any score, so that a number means
the same in every space: one standard deviation of what this space has to offer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mpnas_ray.meta_learning.mixture.config import MixtureConfig
from mpnas_ray.predictors.encodings.operation_counts import USUAL_PRICES, operation_counts
from mpnas_ray.spaces import Architectures, get_space
from mpnas_ray.tables import Kind

__all__ = [
    "Candidates",
    "Knowledge",
    "RawKnowledge",
    "Reference",
    "Source",
    "candidates",
    "kernel",
    "kernel_diagonals",
    "kernels",
    "mean_functions",
    "price_lists",
    "priced_counts",
    "views",
]

TASK_KINDS: tuple[Kind, Kind] = ("quality", "cost")
"""Kinds of measurements; a kind's number is its index."""

SAME_SPACE, OTHER_SPACE, POOL, NOTHING, PRICES = range(5)
"""Categories of mean functions."""

NUM_CATEGORIES = 5
LINEAR = (True, False, False, True, False, False)
"""True for the kernels that are linear; the others are radial. See `views`."""

NUM_KERNELS = len(LINEAR)
SOURCE_KERNELS = 3
"""The first kernels follow from the sources; the others know the architecture alone."""


@dataclass(frozen=True)
class Source:
    """A task that was learned from: its name, its space, and whether it measures a quality or a cost."""

    name: str
    space: str
    kind: Kind


@dataclass(frozen=True)
class RawKnowledge:
    """Numbers of N architectures of one space before they are standardised, all float64.

    Attributes:
        ranks: Known or predicted ranks in each source task, ``[N, K]``.
        values: Known or predicted values there, ``[N, K]``.
        counts: Counts of operations, ``[N, 22]``.
        prices: Minus the price by each list, ``[N, P]``.
        graph: Graph features, ``[N, F]``.
        codes: Codes of the architectures, ``[N, code_length]``.
    """

    ranks: Tensor
    values: Tensor
    counts: Tensor
    prices: Tensor
    graph: Tensor
    codes: Tensor

    @property
    def columns(self) -> tuple[Tensor, ...]:
        """Return all that is standardised."""
        return self.ranks, self.values, self.counts, self.prices, self.graph


@dataclass(frozen=True)
class Reference:
    """Statistics of random architectures of a space, and the relation of the sources to it.

    Attributes:
        space: Name of the space.
        location: Means of all columns, float64 ``[columns]``.
        factor: 1 / standard deviation of each, 0 for one that does not vary.
        widths: Number of columns: ranks, values, operation counts, prices, graph features.
        covariance: Covariance of the standardised ranks and of the values, ``[2, K, K]``.
        same_space: True for sources of this space, bool ``[K]``.
        cost: True for sources that measure a cost, bool ``[K]``.
        choices: The codes that vary in the space and each value that they take: (place, value), int64 ``[V, 2]``.
        varies_size: True if the networks of the space differ in width or depth.
    """

    space: str
    location: Tensor
    factor: Tensor
    widths: list[int]
    covariance: Tensor
    same_space: Tensor
    cost: Tensor
    choices: Tensor
    varies_size: bool

    @classmethod
    def of(cls, raw: RawKnowledge, space: str, sources: tuple[Source, ...]) -> Reference:
        """Measure random architectures of the space."""
        columns = torch.cat(raw.columns, dim=1)
        std = columns.std(dim=0, correction=0)
        factor = torch.where(std > 1e-6, 1 / std.clamp(min=1e-6), 0.0)
        location = columns.mean(dim=0)
        num_sources = len(sources)
        both = ((columns - location) * factor)[:, : 2 * num_sources].view(-1, 2, num_sources).transpose(0, 1)
        taken = [np.unique(column).astype(int) for column in raw.codes.T.numpy()]
        chosen = [(place, value) for place, values in enumerate(taken) if len(values) > 1 for value in values.tolist()]
        return cls(
            space,
            location,
            factor,
            [part.shape[1] for part in raw.columns],
            both.mT @ both / both.shape[1],
            torch.tensor([source.space == space for source in sources], dtype=torch.bool),
            torch.tensor([source.kind == "cost" for source in sources], dtype=torch.bool),
            torch.tensor(chosen, dtype=torch.long).view(-1, 2),
            get_space(space).has_attributes,
        )


@dataclass(frozen=True)
class Knowledge:
    """Knowledge of N architectures of one space; leading dimensions ``...`` are ``[N]`` or ``[episodes, n]``.

    Attributes:
        ranks: Ranks in each source task: as measured there, without noise, or as the network predicts them, float64
            ``[..., K]``.
        values: Values in each source task: as measured there, or as the network predicts them, ``[..., K]``.
        counts: Counts of operations, scaled to mean square norm 1, ``[..., 22]``.
        prices: Minus the price by each list, ``[..., P]``.
        graph: Graph features, scaled likewise, ``[..., F]``.
        choices: Values of the codes, one-hot and scaled to norm 1, ``[..., V]``.
        reference: Reference of the space.
    """

    ranks: Tensor
    values: Tensor
    counts: Tensor
    prices: Tensor
    graph: Tensor
    choices: Tensor
    reference: Reference

    @classmethod
    def of(cls, raw: RawKnowledge, reference: Reference) -> Knowledge:
        """Standardise numbers by what is usual in the space."""
        standard = torch.cat(raw.columns, dim=1).sub_(reference.location).mul_(reference.factor)
        ranks, values, counts, prices, graph = torch.split(standard, reference.widths, dim=1)
        of_counts, of_graph = (torch.split(reference.factor, reference.widths)[place] for place in (2, 4))
        place, value = reference.choices.unbind(dim=1)
        num_varying = max(len(set(place.tolist())), 1)
        return cls(
            ranks,
            values,
            counts / of_counts.count_nonzero().clamp(min=1) ** 0.5,
            prices,
            graph / of_graph.count_nonzero().clamp(min=1) ** 0.5,
            (raw.codes[:, place] == value).to(standard) / num_varying**0.5,
            reference,
        )

    def __getitem__(self, rows: Tensor | slice) -> Knowledge:
        """Select these architectures; an index of shape [episodes, n] gives ``[episodes, n, ...]``."""
        return self._of_parts(part[rows] for part in self._parts)

    def joined(self, other: Knowledge) -> Knowledge:
        """Return the knowledge of these ``[N]`` and of other architectures ``[M]`` of the space, ``[N + M]``."""
        return self._of_parts(torch.cat(both) for both in zip(self._parts, other._parts, strict=True))

    @property
    def _parts(self) -> tuple[Tensor, ...]:
        return self.ranks, self.values, self.counts, self.prices, self.graph, self.choices

    def _of_parts(self, parts: Iterable[Tensor]) -> Knowledge:
        ranks, values, counts, prices, graph, choices = parts
        return Knowledge(ranks, values, counts, prices, graph, choices, self.reference)

    def __len__(self) -> int:
        return len(self.ranks)


def price_lists(config: MixtureConfig) -> NDArray[np.float64]:
    """Draw prices of operations, ``[P, 22]``: half of the lists charge every operation, half only live ones."""
    rng = np.random.default_rng([config.seed, 7])
    noise = config.price_spread * rng.standard_normal((config.num_price_lists, len(USUAL_PRICES)))
    prices = USUAL_PRICES * np.exp(noise)
    every = np.arange(config.num_price_lists)[:, None] < config.num_price_lists / 2
    return np.concatenate([prices * every, prices * ~every], axis=1)


def priced_counts(archs: Architectures, lists: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    """Compute operation counts ``[N, 22]`` and minus the prices ``[N, P]``."""
    counts = operation_counts(archs)
    return torch.from_numpy(counts), torch.from_numpy(-counts @ lists.T)


@dataclass(frozen=True)
class Candidates:
    """The C mean functions that a new task may have.

    Attributes:
        category: Number of its category, ``[C]``.
        source: Number of the source task, or -1, ``[C]``.
        kind: A place in `TASK_KINDS`, or -1 for either, ``[C]``.
        there: True where it may be used, ``[C]``.
        dear_is_good: True if a quality is believed to grow with prices, as where networks differ in width and depth;
            among cells of one macro it is believed to fall.
    """

    category: Tensor
    source: Tensor
    kind: Tensor
    there: Tensor
    dear_is_good: bool


def candidates(reference: Reference, kept: Tensor) -> Candidates:
    """List the candidates for a task of the reference's space that may look at the sources ``kept``, bool ``[K]``."""
    num_sources, num_prices = len(kept), reference.widths[3]
    category = torch.where(reference.same_space, SAME_SPACE, OTHER_SPACE)
    kind = reference.cost.long()
    index = torch.arange(num_sources)
    pools = torch.stack([(members & kept).any() for members in _pools(reference)]).repeat(2)
    return Candidates(
        torch.cat([category, category, torch.tensor([POOL] * 6 + [NOTHING]), torch.full((num_prices,), PRICES)]),
        torch.cat([index, index, torch.full((7 + num_prices,), -1)]),
        torch.cat([kind, kind, torch.tensor([0, 0, 1, 0, 0, 1, -1]), torch.full((num_prices,), -1)]),
        torch.cat([kept, kept, pools, torch.ones(1 + num_prices, dtype=torch.bool)]),
        reference.varies_size,
    )


def mean_functions(known: Knowledge, kept: Tensor) -> Tensor:
    """Compute the values of all candidates, ``[..., C]``; those that may not be used are 0."""
    of_ranks, of_values = known.reference.covariance
    pools = [
        _pooled(numbers, covariance, members & kept)
        for numbers, covariance in ((known.ranks, of_ranks), (known.values, of_values))
        for members in _pools(known.reference)
    ]
    nothing = torch.zeros_like(pools[0])
    return torch.cat([known.ranks * kept, known.values * kept, *pools, nothing, known.prices], dim=-1)


def views(known: Knowledge, kept: Tensor) -> tuple[Tensor, ...]:
    """Describe each architecture in six ways, ``[..., d]``, of which the kernels are made.

    The first three are what is known of the sources ``kept``: ranks for a linear and for a radial kernel, values for a
    radial one. Then operation counts for a linear kernel, choices and graph features for radial ones. The mean squared
    norm over the space is 1, of graph features 1/2: so they rank NAS-Bench-101 better by 0.01 in Kendall's tau.
    """
    share = (kept.to(known.ranks) / kept.sum().clamp(min=1)).sqrt()
    ranks, values = known.ranks * share, known.values * share
    return ranks, ranks, values, known.counts, known.choices, known.graph * 0.5**0.5


def kernels(one: Knowledge, other: Knowledge, kept: Tensor) -> Tensor:
    """Compute covariances of what a task may add to its mean function, ``[..., 6, n, m]``, of variance 1 on average.

    Linear, or radial, ``exp(-|x - y|^2)``, in one of the `views`.
    """
    return torch.stack(
        [
            kernel(mine, theirs, linear)
            for mine, theirs, linear in zip(views(one, kept), views(other, kept), LINEAR, strict=True)
        ],
        dim=-3,
    )


def kernel_diagonals(known: Knowledge, kept: Tensor) -> Tensor:
    """Compute the variances of `kernels`, ``[6, N]``."""
    return torch.stack(
        [
            of_view.square().sum(dim=1) if linear else torch.ones(len(of_view), dtype=of_view.dtype)
            for of_view, linear in zip(views(known, kept), LINEAR, strict=True)
        ]
    )


def kernel(one: Tensor, other: Tensor, linear: bool, norms: Tensor | None = None) -> Tensor:
    """Compute one of the `kernels` between architectures that are described in its view, ``[..., n, m]``.

    Args:
        one: Views of n architectures, ``[..., n, d]``.
        other: Views of m architectures, ``[..., m, d]``.
        linear: Whether the kernel is linear.
        norms: Squared norms of the latter, ``[..., m]``; computed if None.
    """
    product = one @ other.mT
    if linear:
        return product
    of_other = other.square().sum(-1) if norms is None else norms
    squares = one.square().sum(-1)[..., :, None] + of_other[..., None, :]
    return product.mul_(2).sub_(squares).clamp_(max=0).exp_()


def _pools(reference: Reference) -> tuple[Tensor, Tensor, Tensor]:
    """List the sources that are averaged: qualities of this space, qualities of others, costs."""
    return (
        reference.same_space & ~reference.cost,
        ~reference.same_space & ~reference.cost,
        reference.cost,
    )


def _pooled(numbers: Tensor, covariance: Tensor, members: Tensor) -> Tensor:
    """Average over the sources ``members``, standardised, ``[..., 1]``."""
    weights = members.to(numbers)
    variance = weights @ covariance.to(numbers) @ weights
    return (numbers @ weights)[..., None] / variance.clamp(min=1e-6).sqrt()
