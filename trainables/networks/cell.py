"""A cell: a graph of operations as a torch module."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from mpnas_ray.spaces import KINDS, OperationGraphs
from trainables.networks.operations import build_operation

__all__ = ["Cell"]


class Cell(nn.Module):
    """A cell in which each vertex adds up its inputs and applies its operation.

    Every operation is built, dead ones too, so that parameters count as in the published benchmarks; only those on a
    path from input to output are computed. A cell without a path returns zeros.
    """

    def __init__(self, graph: OperationGraphs, channels: int, dimensions: int) -> None:
        """Build the cell of a batch of one graph."""
        super().__init__()
        kinds, edges, live = graph.kinds[0], graph.edges[0], graph.live()[0]
        last = len(kinds) - 1
        self.operations = nn.ModuleDict(
            {
                str(vertex): build_operation(KINDS[kinds[vertex]], channels, dimensions)
                for vertex in range(1, last)
                if kinds[vertex] >= 0
            }
        )
        self._plan: list[tuple[int, tuple[int, ...]]] = [
            (vertex, tuple(np.flatnonzero(edges[:, vertex] * live).tolist()))
            for vertex in np.flatnonzero(live)[1:].tolist()
        ]
        self._output = last

    def forward(self, inputs: Tensor) -> Tensor:
        """Compute ``[batch, channels, ...] -> [batch, channels, ...]``."""
        if not self._plan:
            return torch.zeros_like(inputs)
        states = {0: inputs}
        sums: dict[tuple[int, ...], Tensor] = {}  # vertices that read the same vertices share their sum
        for vertex, reads in self._plan:
            if reads not in sums:
                total = states[reads[0]]
                for read in reads[1:]:
                    total = total + states[read]
                sums[reads] = total
            states[vertex] = sums[reads] if vertex == self._output else self.operations[str(vertex)](sums[reads])
        return states[self._output]
