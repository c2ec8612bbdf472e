"""Split a task's architectures into two parts, e.g. to meta-train on and to test on."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mpnas_ray.errors import TableError
from mpnas_ray.tables.table_task import TableTask

__all__ = ["split_by_class", "split_random"]

Indices = NDArray[np.int64]


def split_random(task: TableTask, num_first: int, rng: Generator) -> tuple[Indices, Indices]:
    """Split off ``num_first`` architectures at random from all the others (the paper's split).

    Isomorphic cells (other texts of one canonical form) may come to lie on both sides.

    Returns:
        Two index arrays into the task, disjoint, together all of it, each in random order.

    Raises:
        TableError: If the task does not have so many.
    """
    _check(task, num_first)
    order = rng.permutation(len(task))
    return order[:num_first], order[num_first:]


def split_by_class(task: TableTask, num_first: int, rng: Generator) -> tuple[Indices, Indices]:
    """Split at random, with all architectures of one canonical form on the same side.

    Classes are taken in random order, each that still fits, so the first part has ``num_first`` architectures or, where
    no class left is small enough, a few less (never with NAS-Bench-201's thousands of classes of one).
    """
    _check(task, num_first)
    _, members, sizes = np.unique(task.canonical_keys, return_inverse=True, return_counts=True)
    order = rng.permutation(len(sizes))
    filled = np.cumsum(sizes[order])
    num_whole = int(np.searchsorted(filled, num_first, side="right"))
    chosen = np.zeros(len(sizes), dtype=np.bool_)
    chosen[order[:num_whole]] = True
    missing = num_first - (int(filled[num_whole - 1]) if num_whole else 0)
    for candidate in order[num_whole:]:
        if missing == 0:
            break
        if sizes[candidate] <= missing:
            chosen[candidate] = True
            missing -= int(sizes[candidate])
    first = chosen[members]
    return rng.permutation(np.flatnonzero(first)), rng.permutation(np.flatnonzero(~first))


def _check(task: TableTask, num_first: int) -> None:
    if not isinstance(num_first, Integral) or isinstance(num_first, bool) or not 0 <= num_first <= len(task):
        raise TableError(f"Cannot take {num_first} architectures of {task.name}: it has {len(task)}.")
