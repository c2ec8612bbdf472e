"""Gates: the weight of each operation of each vertex in a cell of a supernet.

An architecture is the gates that are 1 for its operations and shut for all others; a mixture weights several operations
of a vertex. What is shut is not computed, so that mixtures, single paths, pruned and projected cells are one code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mpnas_ray.spaces import Architecture, OperationGraphs
from mpnas_ray.spaces.operation_graph import ABSENT
from mpnas_ray.spaces.operations import INPUT, OUTPUT
from trainables.networks.cell import Plan, plan_of
from trainables.oneshot.skeleton import Skeleton

__all__ = ["Gates", "Weight", "gates_of", "make_gates", "mixture"]

Weight = float | Tensor
"""Weight of an operation; the float 1.0 leaves its output as it is, bit for bit."""

_ANY_OPERATION = 0


@dataclass(frozen=True, eq=False)
class Gates:
    """The operations of a cell that are computed, and their weights.

    Attributes:
        plan: Live vertices in topological order, each with the live vertices that it reads.
        operations: Weight of each operation that is open, by vertex and kind.
        scales: Weight of a vertex's output, where it has one.
        drop_path: Probability with which each operation but a skip is left out for a sample, the others being scaled
            up; 0 to below 1.
        generator: Generator of these draws, on the CPU.
    """

    plan: Plan
    operations: Mapping[int, Mapping[int, Weight]]
    scales: Mapping[int, Tensor] = field(default_factory=dict)
    drop_path: float = 0.0
    generator: torch.Generator | None = None


def gates_of(arch: Architecture) -> Gates:
    """Return the gates of one architecture."""
    graph = arch.graph
    plan = plan_of(graph)
    kinds = graph.kinds[0].tolist()
    return Gates(plan, {vertex: {kinds[vertex]: 1.0} for vertex, _ in plan[:-1]})


def make_gates(
    operations: Mapping[int, Mapping[int, Weight]], edges: NDArray[np.uint8], scales: Mapping[int, Tensor] | None = None
) -> Gates:
    """Make gates of weights, without the vertices that carry nothing from input to output.

    Args:
        operations: Weight of each operation that is open, by vertex and kind; none is of the kind ``zero``.
        edges: uint8 ``[V, V]``, 1 where a vertex reads another.
        scales: Weights of vertices.
    """
    kinds = np.full((1, len(edges)), ABSENT, dtype=np.int8)
    kinds[0, 0], kinds[0, -1] = INPUT, OUTPUT
    kinds[0, [vertex for vertex, weights in operations.items() if weights]] = _ANY_OPERATION
    return Gates(plan_of(OperationGraphs(kinds, edges[None])), operations, scales or {})


def mixture(
    skeleton: Skeleton,
    weights: Tensor,
    is_open: Sequence[Sequence[bool]] | NDArray[np.bool_],
    link_weights: Tensor | None = None,
) -> Gates:
    """Weight the operations of each slot of a skeleton.

    Args:
        skeleton: Skeleton that has slots.
        weights: Weights ``[slots, choices]``.
        is_open: True for the choices that are open, ``[slots, choices]``; others are not computed.
        link_weights: Weights of the slots' vertices ``[slots]``; all 1 if None.
    """
    operations = {}
    for slot, row, opened in zip(skeleton.slots, weights.unbind(), is_open, strict=True):
        there = skeleton.kinds[slot.vertex]
        operations[slot.vertex] = {
            kind: weight
            for kind, weight, wanted in zip(slot.kinds, row.unbind(), opened, strict=False)
            if wanted and kind in there
        }
    scales = None
    if link_weights is not None:
        scales = {slot.vertex: scale for slot, scale in zip(skeleton.slots, link_weights.unbind(), strict=True)}
    return make_gates(operations, skeleton.edges, scales)
