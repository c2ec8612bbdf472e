"""Sizes of operations that differ in width, stride and repeats, in units of the same operation in a plain cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.spaces.operation_graph import OperationGraphs
from mpnas_ray.spaces.operations import ATTRIBUTES

__all__ = ["attribute", "vertex_sizes"]

Floats = NDArray[np.float64]


def attribute(graphs: OperationGraphs, name: str) -> Floats:
    """Return the values ``[N, V]`` of the attribute of this name; zeros where the graphs have none."""
    if graphs.attributes is None:
        return np.zeros(graphs.kinds.shape)
    return graphs.attributes[..., ATTRIBUTES.index(name)].astype(np.float64)


def vertex_sizes(graphs: OperationGraphs) -> tuple[Floats, Floats]:
    """Compute the size of each vertex over that of the same operation at base width and full resolution.

    An operation reads as many channels as the widest vertex that it reads puts out. Of several that it stands for, the
    first changes the width and the others keep it. A stride s leaves 1 / s^2 of the positions, as in an image.

    Returns:
        Relative numbers of weights, and of multiply-adds, ``[N, V]`` each; 1 for vertices without attributes.
    """
    if graphs.attributes is None:
        return np.ones(graphs.kinds.shape), np.ones(graphs.kinds.shape)
    width = attribute(graphs, "log2 width")
    resolution = -attribute(graphs, "log2 stride")  # logarithm of the side over that of the whole input
    read = width.copy()
    for vertex in range(1, width.shape[1]):
        reads = graphs.edges[:, :vertex, vertex] > 0
        some = reads.any(axis=1)
        read[some, vertex] = np.where(reads, width[:, :vertex], -np.inf).max(axis=1)[some]
        resolution[some, vertex] += np.where(reads, resolution[:, :vertex], np.inf).min(axis=1)[some]
    repeats = np.exp2(attribute(graphs, "log2 repeats"))
    weights = np.exp2(width) * (np.exp2(read) + (repeats - 1) * np.exp2(width))
    return weights, weights * np.exp2(2 * resolution)
