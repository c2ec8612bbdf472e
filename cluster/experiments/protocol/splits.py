"""Split architectures into those to learn from, to fine-tune on, and to judge by.

One split a search space, the same for all its tasks and all methods: half of the architectures to meta-train on (7,812
of NAS-Bench-201, 2,048 of TransNAS-Bench-101), the rest to test on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from zlib import crc32

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mpnas_ray.spaces import Architectures
from mpnas_ray.tables import TableTask, split_by_class, split_random

__all__ = ["SPLIT_SEED", "Draw", "SpaceSplit", "Split", "draw", "judgeable", "split_space"]

Split = Literal["random", "class"]
"""``random`` is the paper's. In ``class``, all architectures of one canonical form lie on one side."""

SPLIT_SEED = 0
"""Seed of splits and of draws of fine-tuning models; those of methods are their own."""

_MOST_TESTED = 20_000
"""Number of architectures that are tested of a space that is not learned from: NAS-Bench-101 has 423,624."""


@dataclass(frozen=True)
class SpaceSplit:
    """The architectures of one space that may be learned from."""

    kind: Split
    training: frozenset[bytes]

    def is_training(self, archs: Architectures) -> NDArray[np.bool_]:
        """Say which of these are for meta-training, ``[N]``; all others are for testing."""
        return np.array([row.tobytes() in self.training for row in archs.codes], dtype=np.bool_)


@dataclass(frozen=True)
class Draw:
    """Rows of a task in two disjoint parts: to fine-tune on and to judge by."""

    support: NDArray[np.int64]
    query: NDArray[np.int64]


def split_space(tasks: Mapping[str, TableTask], space: str, kind: Split) -> SpaceSplit:
    """Split all architectures that tasks of this space have measured, also those that only some tasks have."""
    codes = [task.archs.codes for task in tasks.values() if task.archs.space.name == space]
    known = next(task.archs.space for task in tasks.values() if task.archs.space.name == space)
    archs = Architectures(known, np.unique(np.concatenate(codes), axis=0))
    union = TableTask(f"{space}/all", archs, np.zeros(len(archs)), "none", "max")
    split = split_random if kind == "random" else split_by_class
    chosen, _ = split(union, len(union) // 2, _generator(space))
    return SpaceSplit(kind, frozenset(row.tobytes() for row in archs.codes[chosen]))


def judgeable(task: TableTask, split: SpaceSplit | None) -> NDArray[np.int64]:
    """List the rows of a target that may be tested on, ascending: the test part of its space, ``[M]``.

    Where nothing is learned from its space (``split`` is None) that is all of it, or 20,000 random rows if it has more.
    """
    if split is not None:
        return np.flatnonzero(~split.is_training(task.archs))
    if len(task) <= _MOST_TESTED:
        return np.arange(len(task), dtype=np.int64)
    return np.sort(_generator(task.name).permutation(len(task))[:_MOST_TESTED])


def draw(task: TableTask, rows: NDArray[np.int64], kind: Split, num_points: int, number: int) -> Draw:
    """Draw ``num_points`` fine-tuning models among ``rows``, for the ``number``-th time; it depends on nothing else.

    Judged are all other ``rows``; with ``class``, those that are not isomorphic to a fine-tuning model either.
    """
    order = _generator(task.name, num_points, number).permutation(rows)
    support, query = order[:num_points], np.sort(order[num_points:])
    if kind == "class" and num_points:
        query = query[~np.isin(task.archs[query].canonical_keys(), task.archs[support].canonical_keys())]
    return Draw(support, query)


def _generator(name: str, *numbers: int) -> Generator:
    return np.random.default_rng([SPLIT_SEED, crc32(name.encode()), *numbers])
