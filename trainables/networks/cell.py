"""A cell: a graph of operations as a torch module."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from mpnas_ray.spaces import KINDS, OperationGraphs
from trainables.networks.operations import build_operation

__all__ = ["Cell", "Plan", "plan_of", "run_plan"]

Plan = Sequence[tuple[int, tuple[int, ...]]]
"""Vertices of a cell in topological order, each with those that it reads; the input, vertex 0, is not listed."""


class Cell(nn.Module):
    """A cell in which each vertex adds up its inputs and applies its operation.

    Every operation is built, dead ones too, so that parameters count as in the published benchmarks; only those on a
    path from input to output are computed. A cell without a path returns zeros.
    """

    def __init__(self, graph: OperationGraphs, channels: int, dimensions: int) -> None:
        """Build the cell of a batch of one graph."""
        super().__init__()
        kinds = graph.kinds[0]
        last = len(kinds) - 1
        self.operations = nn.ModuleDict(
            {
                str(vertex): build_operation(KINDS[kinds[vertex]], channels, dimensions)
                for vertex in range(1, last)
                if kinds[vertex] >= 0
            }
        )
        self._plan = plan_of(graph)
        self._output = last

    def forward(self, inputs: Tensor) -> Tensor:
        """Compute ``[batch, channels, ...] -> [batch, channels, ...]``."""
        return run_plan(self._plan, inputs, self._compute)

    def _compute(self, vertex: int, total: Tensor) -> Tensor:
        outputs: Tensor = total if vertex == self._output else self.operations[str(vertex)](total)
        return outputs


def plan_of(graph: OperationGraphs) -> Plan:
    """List the live vertices of the only graph of a batch, each with the live vertices that it reads."""
    edges, live = graph.edges[0], graph.live()[0]
    return [
        (vertex, tuple(np.flatnonzero(edges[:, vertex] * live).tolist()))
        for vertex in np.flatnonzero(live)[1:].tolist()
    ]


def run_plan(plan: Plan, inputs: Tensor, compute: Callable[[int, Tensor], Tensor]) -> Tensor:
    """Compute the vertices of a cell one after another.

    Args:
        plan: Vertices to compute; the last of them is the output.
        inputs: State of vertex 0.
        compute: Function from a vertex and the sum of what it reads to the state of the vertex.

    Returns:
        The state of the output; zeros if the plan is empty.
    """
    if not plan:
        return torch.zeros_like(inputs)
    states = {0: inputs}
    sums: dict[tuple[int, ...], Tensor] = {}  # vertices that read the same vertices share their sum
    for vertex, reads in plan:
        if reads not in sums:
            total = states[reads[0]]
            for read in reads[1:]:
                total = total + states[read]
            sums[reads] = total
        states[vertex] = compute(vertex, sums[reads])
    return states[plan[-1][0]]
