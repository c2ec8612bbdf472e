"""NAS-Bench-201 (Dong and Yang, ICLR 2020): four states, an operation on each of the six links between them.

A cell is written as officially, ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``: part j lists the operations into state j+1,
each with the state it reads. Codes are the six operations in that (target-major) order. TransNAS-Bench-101's cells
have the same shape with other operations and another text.
"""

from __future__ import annotations

from itertools import chain

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mpnas_ray.spaces.architecture import Architectures
from mpnas_ray.spaces.operation_graph import OperationGraphs, edges_between_links
from mpnas_ray.spaces.operations import INPUT, OUTPUT
from mpnas_ray.spaces.space import SearchSpace, all_codes, other_values

__all__ = ["NASBENCH201_OPERATIONS", "FourStateSpace", "NASBench201"]

NASBENCH201_OPERATIONS = {
    "none": "zero",
    "skip_connect": "skip",
    "nor_conv_1x1": "conv1-d1",
    "nor_conv_3x3": "conv3-d1",
    "avg_pool_3x3": "avgpool",
}

_LINKS = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""(source, target) state of each operation, target-major as in the official string."""


class FourStateSpace(SearchSpace):
    """Every cell of four states with one of the given operations on each link."""

    code_length = 6

    def __init__(self, name: str, operations: dict[str, str]) -> None:
        """See `SearchSpace`."""
        super().__init__(name, operations)
        self.num_architectures = len(operations) ** 6
        self._edges = edges_between_links(_LINKS)

    def operation_graphs(self, codes: NDArray[np.int8]) -> OperationGraphs:
        """Eight vertices: input, six operations, output."""
        kinds = np.empty((len(codes), 8), dtype=np.int8)
        kinds[:, 0] = INPUT
        kinds[:, 1:7] = self._kinds[codes]
        kinds[:, 7] = OUTPUT
        return OperationGraphs(kinds, np.broadcast_to(self._edges, (len(codes), 8, 8)))

    def sample_codes(self, n: int, rng: Generator) -> NDArray[np.int8]:
        """Draw uniformly over the cells."""
        return rng.integers(len(self.operations), size=(n, 6), dtype=np.int8)

    def neighbor_codes(self, codes: NDArray[np.int8]) -> NDArray[np.int8]:
        """Replace one operation by another."""
        return other_values(codes, range(6), len(self.operations))

    def enumerate(self) -> Architectures:
        """List all cells, in the order of their codes."""
        if not self.enumerable:
            return super().enumerate()
        return Architectures(self, all_codes((len(self.operations),) * 6))

    def _format(self, codes: NDArray[np.int8]) -> str:
        names = [f"{self.operations[code]}~{source}" for code, (source, _) in zip(codes, _LINKS, strict=True)]
        return f"|{names[0]}|+|{names[1]}|{names[2]}|+|{names[3]}|{names[4]}|{names[5]}|"

    def _encode(self, cell: str) -> list[int]:
        example = self._format(np.zeros(6, dtype=np.int8))
        parts = cell.split("+")
        tokens = [part.strip("|").split("|") for part in parts]
        if [len(part) for part in tokens] != [1, 2, 3]:
            raise self._malformed(cell, "it needs three parts of one, two and three operations", example)
        codes = []
        for slot, (token, (source, _)) in enumerate(zip(chain.from_iterable(tokens), _LINKS, strict=True), start=1):
            operation, _, read = token.partition("~")
            codes.append(self._operation(operation, f"slot {slot}", cell))
            if read != str(source):
                raise self._malformed(cell, f"slot {slot} is {token!r} but reads state {source}", example)
        if self._format(np.array(codes, dtype=np.int8)) != cell:
            raise self._malformed(cell, "the bars are not where they belong", example)
        return codes


class NASBench201(FourStateSpace):
    """The 15,625 cells of NAS-Bench-201."""

    def __init__(self) -> None:
        """Build the space."""
        super().__init__("nasbench201", NASBENCH201_OPERATIONS)
