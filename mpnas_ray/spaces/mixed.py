"""The mixed-ops space: every topology of the four benchmarks with any of the 11 operations (MP-NAS, extended search
space); and ours with a Fourier layer as a twelfth, `mixed+spectral`.

Three families of topologies, since TransNAS-Bench-101 shares NAS-Bench-201's: a cell is written as in its family with
the shared names of the operations, ``mixed:nasbench201:|conv3-d1~0|+|skip~0|...``. Codes: the number of the family,
then the family's own codes, filled up with -1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mpnas_ray.errors import SearchSpaceError
from mpnas_ray.names import no_such
from mpnas_ray.spaces.nasbench101 import DirectedGraphSpace, num_topologies
from mpnas_ray.spaces.nasbench201 import FourStateSpace
from mpnas_ray.spaces.nasbenchasr import ChainSpace
from mpnas_ray.spaces.operation_graph import ABSENT, OperationGraphs
from mpnas_ray.spaces.operations import OPERATIONS, Operation
from mpnas_ray.spaces.space import SearchSpace, Slot

__all__ = ["Mixed"]


class Mixed(SearchSpace):
    """Cells of three families, 796,556,817 with 11 operations; sampling draws the family first, since 97 % of the cells
    are of one.
    """

    def __init__(self, name: str = "mixed", allowed: Sequence[Operation] = OPERATIONS) -> None:
        """Build the space of that name with these operations."""
        operations = {operation.name: operation.name for operation in allowed}
        super().__init__(name, operations)
        self.families: tuple[SearchSpace, ...] = (
            DirectedGraphSpace("nasbench101", operations),
            FourStateSpace("nasbench201", operations),
            ChainSpace("nasbenchasr", operations),
        )
        self.code_length = 1 + max(family.code_length for family in self.families)
        self.num_architectures = sum(family.num_architectures for family in self.families)

    def derivation(self) -> str:
        """Explain the number of cells, a line a term."""
        k = len(self.operations)
        terms = [
            f"{count:,} graphs of {n} vertices x {k}^{n - 2} = {count * k ** (n - 2):,}"
            for n, count in num_topologies().items()
        ]
        terms.append(f"four states, {k}^6 = {k**6:,}")
        terms.append(f"chains of three, {k}^3 x 2^6 skip connections = {k**3 * 2**6:,}")
        terms.append(f"together {self.num_architectures:,} labelled cells (the paper counts 2.35 billion)")
        return "\n".join(terms)

    def operation_graphs(self, codes: NDArray[np.int8]) -> OperationGraphs:
        """Eleven vertices, as many as the largest family has; the output is the last of them in every family."""
        size = 11
        kinds = np.full((len(codes), size), ABSENT, dtype=np.int8)
        edges = np.zeros((len(codes), size, size), dtype=np.uint8)
        for number, family in enumerate(self.families):
            rows = np.flatnonzero(codes[:, 0] == number)
            graphs = family.operation_graphs(codes[rows, 1 : 1 + family.code_length])
            v = graphs.kinds.shape[1]
            place = np.array([*range(v - 1), size - 1])
            kinds[rows[:, None], place] = graphs.kinds
            edges[rows[:, None, None], place[:, None], place] = graphs.edges
        return OperationGraphs(kinds, edges)

    def sample_codes(self, n: int, rng: Generator) -> NDArray[np.int8]:
        """Draw the family uniformly, then the cell as the family draws it."""
        drawn = rng.integers(len(self.families), size=n)
        codes = np.empty((n, self.code_length), dtype=np.int8)
        for number, family in enumerate(self.families):
            rows = np.flatnonzero(drawn == number)
            codes[rows] = self.join(number, family.sample_codes(len(rows), rng))
        return codes

    def neighbor_codes(self, codes: NDArray[np.int8]) -> NDArray[np.int8]:
        """List the neighbours within the cell's own family."""
        number, own = self._split(codes)
        return self.join(number, self.families[number].neighbor_codes(own))

    def slots(self, codes: NDArray[np.int8]) -> tuple[Slot, ...]:
        """List the slots of the cell in its own family."""
        number, own = self._split(codes)
        return tuple(replace(slot, place=slot.place + 1) for slot in self.families[number].slots(own))

    def join(self, number: int, codes: NDArray[np.int8]) -> NDArray[np.int8]:
        """Make codes ``[N, code_length]`` of this space of those of its family of that number."""
        joined = np.full((len(codes), self.code_length), ABSENT, dtype=np.int8)
        joined[:, 0] = number
        joined[:, 1 : 1 + codes.shape[1]] = codes
        return joined

    def _split(self, codes: NDArray[np.int8]) -> tuple[int, NDArray[np.int8]]:
        number = int(codes[0])
        return number, codes[1 : 1 + self.families[number].code_length]

    def _format(self, codes: NDArray[np.int8]) -> str:
        number, own = self._split(codes)
        return str(self.families[number].architecture(own))

    def _encode(self, cell: str) -> list[int]:
        name, colon, _ = cell.partition(":")
        for number, family in enumerate(self.families):
            if colon and family.name == name:
                own = np.asarray(family.parse(cell).codes, dtype=np.int8)
                joined: list[int] = self.join(number, own[None])[0].tolist()
                return joined
        families = [family.name for family in self.families]
        if colon:
            raise SearchSpaceError(f"{cell!r} is not a cell of {self.name}. {no_such('family', name, families)}")
        problem = f"it must begin with its family, one of {', '.join(families)}"
        raise self._malformed(cell, problem, "nasbenchasr:|conv5-d1~0|linear|skip|")
