"""Targets of the predictor study, and the architectures that it judges on.

An architecture's position in a draw depends on the space and the seed alone, so that all tasks of a space, and all
methods, are judged on the same ones; the smaller training sets are the beginnings of the larger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.errors import TableError
from mpnas_ray.spaces import Architectures
from mpnas_ray.tables import TableTask

__all__ = ["OFFICIAL", "Draw", "sizes_of", "study_targets", "test_size"]

OFFICIAL = (
    "nasbench201/cifar10",
    "nasbench201/cifar100",
    "nasbench201/imagenet16-120",
    "nasbench101/cifar10",
)
"""Tasks of official tables; those of our own table come after them."""

_SIZES = (5, 10, 25, 50, 100, 250, 1_000)
_TESTED, _TESTED_OF_SMALL = 500, 100
_SMALL = 2_000
_NUM_MUTANTS = 100
_PARENTS = 0.2
"""Mutants are those of the best fifth of the training set: what a search would look at next."""


@dataclass(frozen=True, eq=False)
class Draw:
    """The architectures of a target for one seed, as rows.

    Attributes:
        target: The task.
        test: Uniformly drawn, to judge by: ``[M]``.
        pool: Rows to train on, in this order; none of ``test``.
        seed: Seed that they follow from, beside the space.
    """

    target: TableTask
    test: NDArray[np.int64]
    pool: NDArray[np.int64]
    seed: int

    @classmethod
    def of(cls, target: TableTask, seed: int) -> Draw:
        """Draw by a seed."""
        order = _generator(target, seed).permutation(len(target))
        tested = test_size(target)
        return cls(target, order[:tested], order[tested : tested + max(_SIZES)], seed)

    def training(self, size: int) -> NDArray[np.int64]:
        """Return the first ``size`` rows of the pool."""
        return self.pool[:size]

    def mutants(self, size: int) -> NDArray[np.int64] | None:
        """Return rows of up to 100 architectures one mutation away from the best fifth of the training set, not in it.

        None where the table has not measured the whole space: the mutants of its architectures are not in it.
        """
        if len(self.target) < _SMALL:
            return None
        training = self.training(size)
        by_score = training[np.argsort(-self.target.scores[training], kind="stable")]
        parents = by_score[: max(1, round(_PARENTS * size))]
        rng = _generator(self.target, self.seed, size)
        space = self.target.archs.space
        mutated = [space.mutate(self.target.archs[int(row)], rng) for row in rng.choice(parents, size=4 * _NUM_MUTANTS)]
        keys = np.unique(Architectures.of(mutated).canonical_keys())
        keys = np.setdiff1d(keys, self.target.canonical_keys[training])
        rows = self._rows_of(rng.permutation(keys))
        return rows[:_NUM_MUTANTS]

    def _rows_of(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Find the first row of each canonical form that the table has."""
        known, rows = self._first_rows
        places = np.searchsorted(known, keys).clip(max=len(known) - 1)
        there: NDArray[np.int64] = rows[places[known[places] == keys]]
        return there

    @cached_property
    def _first_rows(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        known, rows = np.unique(self.target.canonical_keys, return_index=True)
        return known, rows.astype(np.int64)


def sizes_of(target: TableTask) -> tuple[int, ...]:
    """Return the numbers of training architectures that a target has enough of."""
    return tuple(size for size in _SIZES if size <= len(target) - test_size(target))


def test_size(target: TableTask) -> int:
    """Return the number of uniformly drawn architectures that are judged."""
    return _TESTED if len(target) >= _SMALL else _TESTED_OF_SMALL


def study_targets(official: Mapping[str, TableTask], own: Mapping[str, TableTask]) -> dict[str, TableTask]:
    """Collect all targets by name.

    Raises:
        TableError: If an official one is missing.
    """
    for name in OFFICIAL:
        if name not in official:
            raise TableError(f"The predictor study needs the task {name!r}. There are: {', '.join(official)}.")
    return {**{name: official[name] for name in OFFICIAL}, **own}


def _generator(target: TableTask, *numbers: int) -> np.random.Generator:
    return np.random.default_rng([crc32(target.archs.space.name.encode()), len(target), *numbers])
