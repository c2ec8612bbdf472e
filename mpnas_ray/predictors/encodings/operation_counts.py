"""Count the operations of each kind that an architecture has, and those that a device really executes.

Frameworks differ in what they run of a cell. One that executes eagerly computes every operation. One that compiles the
graph leaves out what the output does not depend on, and perhaps also what no input reaches; and where operations run
side by side, the longest path from input to output counts beside their sum. A cost is linear in the counts of one of
these four ways (`EXECUTIONS`); the measurements decide which.

In a space whose networks differ in width and depth, an operation counts as many times as it is dearer than the same one
in a plain cell.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.spaces import OPERATIONS, Architectures
from mpnas_ray.spaces.operation_graph import OperationGraphs
from mpnas_ray.spaces.operations import KNOWN_AS, ZERO
from mpnas_ray.spaces.vertex_sizes import attribute, vertex_sizes

__all__ = ["EXECUTIONS", "NUM_COUNTS", "USUAL_PRICES", "executed_counts", "operation_counts"]

EXECUTIONS = ("all", "needed", "live", "parallel")
"""Ways of execution: ``all`` operations; those that the output depends on (``needed``); those on a path from input to
output (``live``); ``parallel``: the live ones, and beside them those on the longest such path."""

NUM_COUNTS = 2 * len(OPERATIONS)
"""Numbers of an architecture in one way of execution: operations of each kind, then those on the longest path."""


USUAL_PRICES = np.array([operation.usual_price for operation in OPERATIONS])
"""Usual price of each operation, float64 ``[11]``, in units of a 3x3 convolution."""

_PRIMES = [number for number in range(2, 100) if all(number % smaller for smaller in range(2, number))]
_PATH_PRICES = USUAL_PRICES + 1e-6 * np.sqrt(_PRIMES[: len(OPERATIONS)])
"""Prices that say which path is the longest. No two different sets of operations have the same price, so that the order
in which a cell lists its operations does not decide between two paths."""


def operation_counts(archs: Architectures) -> NDArray[np.float64]:
    """Count operations of each kind, ``[N, 22]``: all of them, then only those on a path from input to output."""
    graphs = archs.graphs()
    of_kind = _of_kind(graphs) * _prices(graphs)[..., None]
    counts: NDArray[np.float64] = np.concatenate(
        [of_kind.sum(axis=1), (of_kind * graphs.live()[..., None]).sum(axis=1)], axis=1
    ).astype(np.float64)
    return counts


def executed_counts(archs: Architectures) -> NDArray[np.float64]:
    """Count operations that are executed, in each of the `EXECUTIONS`: ``[4, N, 22]``.

    The second half of the last axis, operations on the longest path by usual prices, is 0 but for ``parallel``.
    """
    graphs = archs.graphs()
    of_kind, live = _of_kind(graphs) * _prices(graphs)[..., None], graphs.live()
    counts = np.zeros((len(EXECUTIONS), len(archs), NUM_COUNTS))
    for place, executed in enumerate((np.ones_like(live), _needed(graphs), live, live)):
        counts[place, :, : len(OPERATIONS)] = (of_kind * executed[..., None]).sum(axis=1)
    counts[-1, :, len(OPERATIONS) :] = _longest_path(of_kind, graphs, live)
    return counts


def _of_kind(graphs: OperationGraphs) -> NDArray[np.bool_]:
    """Encode the operation of each vertex, ``[N, V, 11]``; input, output and absent vertices are none.

    It is one-hot, but for extensions, which count as their relatives (see `KNOWN_AS`).
    """
    of_kind: NDArray[np.bool_] = KNOWN_AS[graphs.kinds, : len(OPERATIONS)]
    return of_kind


def _needed(graphs: OperationGraphs) -> NDArray[np.bool_]:
    """Find the vertices that the output depends on, whether or not the input reaches them, ``[N, V]``."""
    carries = (graphs.kinds >= 0) & (graphs.kinds != ZERO)
    needed: NDArray[np.bool_] = np.zeros_like(carries)
    needed[:, -1] = True
    for vertex in range(needed.shape[1] - 2, -1, -1):
        needed[:, vertex] = ((graphs.edges[:, vertex] > 0) & needed).any(axis=1) & carries[:, vertex]
    return needed


def _prices(graphs: OperationGraphs) -> NDArray[np.float64]:
    """Compute the price of each vertex in units of the same operation in a plain cell, ``[N, V]``.

    It grows, as `OPERATIONS` has it for the kernel, by the square root of the arithmetic; repeats add up.
    """
    _, arithmetic = vertex_sizes(graphs)
    prices: NDArray[np.float64] = np.sqrt(arithmetic * np.exp2(attribute(graphs, "log2 repeats")))
    return prices


def _longest_path(
    of_kind: NDArray[np.float64], graphs: OperationGraphs, live: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Count operations of each kind on the dearest path from input to output, ``[N, 11]``; 0 where there is no path."""
    price = of_kind @ _PATH_PRICES
    longest = np.where(live[:, :1], price, -np.inf) * np.ones(live.shape[1])  # up to and with each vertex
    counts = np.zeros_like(of_kind)
    rows = np.arange(len(live))
    for vertex in range(1, live.shape[1]):
        reads = (graphs.edges[:, :vertex, vertex] > 0) & live[:, :vertex]
        before = np.where(reads, longest[:, :vertex], -np.inf)
        chosen = before.argmax(axis=1)
        longest[:, vertex] = before[rows, chosen] + price[:, vertex]
        counts[:, vertex] = counts[rows, chosen] + of_kind[:, vertex]
    return np.where(live[:, -1:], counts[:, -1], 0.0)
