"""NAS-Bench-ASR (Mehrotra et al., ICLR 2021): a chain of three operations with optional skip connections.

Node j = 1, 2, 3 adds to its operation on node j-1 any of the nodes 0 ... j-1. A cell is written ``|op~i~k|op|op~i|``:
the operation of each node, then the nodes that skip connections add to it. Codes are the three operations, then six
bits, one for each possible skip connection in the order (0,1) (0,2) (1,2) (0,3) (1,3) (2,3). 6^3 operations x 2^6 bits
= 13,824 cells.

In the graph, a skip connection that is there is a vertex of kind skip, as in NAS-Bench-201; one that is not there is
no vertex.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mpnas_ray.spaces.architecture import Architectures
from mpnas_ray.spaces.operation_graph import ABSENT, OperationGraphs, edges_between_links
from mpnas_ray.spaces.operations import INPUT, OUTPUT, SKIP
from mpnas_ray.spaces.space import SearchSpace, Slot, all_codes, other_values

__all__ = ["ChainSpace", "NASBenchASR"]

_NODES = ("0", "1", "2")
_SKIPS = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
_VERTICES = ((0, 1), (0, 1), (0, 2), (1, 2), (1, 2), (0, 3), (1, 3), (2, 3), (2, 3))
"""(source, target) node of each interior vertex of the graph, in topological order: by target, skips first."""
_OPERATION_VERTICES = np.array([2, 5, 9])
_SKIP_VERTICES = np.array([1, 3, 4, 6, 7, 8])


class ChainSpace(SearchSpace):
    """Every chain of three of the given operations, with any skip connections."""

    code_length = 9

    def __init__(self, name: str, operations: dict[str, str]) -> None:
        """See `SearchSpace`."""
        super().__init__(name, operations)
        self.num_architectures = len(operations) ** 3 * 2**6
        self._edges = edges_between_links(_VERTICES)

    def operation_graphs(self, codes: NDArray[np.int8]) -> OperationGraphs:
        """Eleven vertices: input, three operations each after its skip connections, output."""
        kinds = np.empty((len(codes), 11), dtype=np.int8)
        kinds[:, 0] = INPUT
        kinds[:, 10] = OUTPUT
        kinds[:, _OPERATION_VERTICES] = self._kinds[codes[:, :3]]
        kinds[:, _SKIP_VERTICES] = np.where(codes[:, 3:] == 1, SKIP, ABSENT)
        there = (kinds != ABSENT).astype(np.uint8)
        return OperationGraphs(kinds, self._edges * there[:, :, None] * there[:, None, :])

    def sample_codes(self, n: int, rng: Generator) -> NDArray[np.int8]:
        """Draw uniformly over the cells."""
        operations = rng.integers(len(self.operations), size=(n, 3), dtype=np.int8)
        return np.concatenate([operations, rng.integers(2, size=(n, 6), dtype=np.int8)], axis=1)

    def neighbor_codes(self, codes: NDArray[np.int8]) -> NDArray[np.int8]:
        """Replace one operation by another, or add or take away one skip connection."""
        operations = other_values(codes, range(3), len(self.operations))
        return np.concatenate([operations, other_values(codes, range(3, 9), 2)])

    def slots(self, codes: NDArray[np.int8]) -> tuple[Slot, ...]:
        """List the three operations and the six skip connections."""
        operations = [Slot(str(place + 1), place, self.operations) for place in range(3)]
        skips = [
            Slot(f"skip {source} to {target}", place, ("no", "yes")) for place, (source, target) in enumerate(_SKIPS, 3)
        ]
        return (*operations, *skips)

    def enumerate(self) -> Architectures:
        """List all cells, in the order of their codes."""
        if not self.enumerable:
            return super().enumerate()
        return Architectures(self, all_codes((len(self.operations),) * 3 + (2,) * 6))

    def _format(self, codes: NDArray[np.int8]) -> str:
        nodes = []
        for node in (1, 2, 3):
            added = [source for bit, (source, target) in zip(codes[3:], _SKIPS, strict=True) if bit and target == node]
            nodes.append("~".join([self.operations[codes[node - 1]], *map(str, added)]))
        return f"|{'|'.join(nodes)}|"

    def _encode(self, cell: str) -> list[int]:
        example = f"|{self.operations[0]}~0|{self.operations[1]}|{self.operations[2]}~0~2|"
        nodes = cell.strip("|").split("|")
        if len(nodes) != 3:
            raise self._malformed(cell, f"it needs three nodes, not {len(nodes)}", example)
        operations, bits = [], [0] * 6
        for node, token in enumerate(nodes, start=1):
            operation, *added = token.split("~")
            operations.append(self._operation(operation, f"node {node}", cell))
            for source in added:
                if source not in _NODES or (int(source), node) not in _SKIPS:
                    raise self._malformed(cell, f"node {node} cannot add {source!r}, only nodes before it", example)
                bits[_SKIPS.index((int(source), node))] = 1
        codes = operations + bits
        if self._format(np.array(codes, dtype=np.int8)) != cell:
            raise self._malformed(cell, "bars and sources are not in order", example)
        return codes


class NASBenchASR(ChainSpace):
    """The 13,824 cells of NAS-Bench-ASR."""

    def __init__(self) -> None:
        """Build the space."""
        operations = {
            "linear": "linear",
            "conv5": "conv5-d1",
            "conv5d2": "conv5-d2",
            "conv7": "conv7-d1",
            "conv7d2": "conv7-d2",
            "zero": "zero",
        }
        super().__init__("nasbenchasr", operations)
