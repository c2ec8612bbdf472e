"""Features of widths, strides and repeats, for spaces whose networks differ in them.

Of each attribute, over the operations of a contracted network: its total, its largest value, and its mean at each step
from the input, so that it counts where in the network the width grows. And the logarithms of the number of weights and
of multiply-adds, in units of one weight of a 1x1 convolution at the space's base width.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.spaces import EXTENSIONS, KINDS, OPERATIONS, OperationGraphs
from mpnas_ray.spaces.operation_graph import ABSENT
from mpnas_ray.spaces.operations import ATTRIBUTES, INPUT, OUTPUT
from mpnas_ray.spaces.vertex_sizes import attribute, vertex_sizes

__all__ = ["ATTRIBUTE_FEATURES", "attribute_features"]

_STEPS = 6
"""Steps from the input that are told apart; all that are further count as the last. No space has longer paths."""

ATTRIBUTE_FEATURES: tuple[str, ...] = (
    *(
        name
        for attribute_name in ATTRIBUTES
        for name in (
            f"total {attribute_name}",
            f"largest {attribute_name}",
            *(f"{attribute_name} at step {step}" for step in range(1, _STEPS + 1)),
        )
    ),
    "log2 weights",
    "log2 multiply-adds",
)
"""Names of the columns of `attribute_features`."""


def attribute_features(graphs: OperationGraphs) -> NDArray[np.float32]:
    """Compute the features of N contracted networks: ``[N, F]``; 0 at steps where there is no operation."""
    there = ~np.isin(graphs.kinds, (ABSENT, INPUT, OUTPUT))
    step = _steps(graphs)
    at_step = (there[:, None] & (step[:, None] == np.arange(1, _STEPS + 1)[:, None])).astype(np.float64)  # [N, S, V]
    operations_at_step = np.maximum(at_step.sum(axis=2), 1)
    columns = []
    for name in ATTRIBUTES:
        values = attribute(graphs, name) * there
        largest = np.where(there, values, -np.inf).max(axis=1)
        by_step = (at_step @ values[..., None])[..., 0] / operations_at_step
        columns += [values.sum(axis=1)[:, None], np.where(there.any(axis=1), largest, 0.0)[:, None], by_step]
    of_kind = np.zeros(len(KINDS) + 1)  # the last is "absent"
    for operation in (*OPERATIONS, *EXTENSIONS):
        of_kind[KINDS.index(operation.name)] = operation.weights_per_channel_pair
    of_vertex = of_kind[graphs.kinds]
    columns += [np.log2(1 + (size * of_vertex).sum(axis=1))[:, None] for size in vertex_sizes(graphs)]
    return np.concatenate(columns, axis=1, dtype=np.float32)


def _steps(graphs: OperationGraphs) -> NDArray[np.intp]:
    """Count the operations on the longest path up to and with each vertex, at most `_STEPS`: ``[N, V]``."""
    step: NDArray[np.intp] = np.zeros(graphs.kinds.shape, dtype=np.intp)
    for vertex in range(1, graphs.kinds.shape[1]):
        reads = graphs.edges[:, :vertex, vertex] > 0
        step[:, vertex] = np.where(reads, step[:, :vertex] + 1, 0).max(axis=1)
    return np.minimum(step, _STEPS)
