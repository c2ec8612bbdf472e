"""NAS-Bench-101 (Ying et al., ICML 2019): graphs of at most seven vertices and nine edges, an operation on each inner
vertex.

A cell is written ``|op~i~j|...|output~i~j|``: each vertex after the input (vertex 0) with the vertices that it reads.
Every vertex lies on a path from input to output; the official tools prune other cells to that form.

Codes: 21 bits, the upper triangle of the 7 x 7 adjacency matrix row by row, then the operations of vertices 1 to 5.
The output is always vertex 6; a smaller cell leaves the vertices before it absent (operation -1, no edges).
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mpnas_ray.spaces.operation_graph import ABSENT, OperationGraphs
from mpnas_ray.spaces.operations import INPUT, OUTPUT
from mpnas_ray.spaces.space import SearchSpace, Slot

__all__ = ["DirectedGraphSpace", "NASBench101", "num_topologies", "topologies"]

MAX_VERTICES = 7
MAX_EDGES = 9
_OUT = MAX_VERTICES - 1
_ROWS, _COLUMNS = np.triu_indices(MAX_VERTICES, k=1)
_VERTEX = re.compile(r"[0-9]")


@cache
def topologies() -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """List all labelled topologies: upper triangles ``[T, 21]`` and numbers of inner vertices ``[T]``, 6,472 in all.

    Every upper triangle of at most 9 edges is tried; those stay in which each inner vertex that has an edge has both a
    reader and a source, and the vertices in use are the first ones.
    """
    words = np.arange(2 ** len(_ROWS), dtype=np.uint32)
    words = words[np.bitwise_count(words) <= MAX_EDGES]
    bit = {(i, j): np.uint32(1 << k) for k, (i, j) in enumerate(zip(_ROWS.tolist(), _COLUMNS.tolist(), strict=True))}

    def any_of(mask: np.uint32) -> NDArray[np.bool_]:
        return np.not_equal(words & mask, 0)

    zero = np.uint32(0)
    reads = {v: any_of(sum((bit[i, v] for i in range(v)), start=zero)) for v in range(1, MAX_VERTICES)}
    feeds = {v: any_of(sum((bit[v, j] for j in range(v + 1, MAX_VERTICES)), start=zero)) for v in range(_OUT)}
    valid = reads[_OUT] & feeds[0]
    for vertex in range(1, _OUT):
        valid &= reads[vertex] == feeds[vertex]
        if vertex > 1:
            valid &= ~reads[vertex] | reads[vertex - 1]
    inner = sum(reads[vertex].astype(np.int8) for vertex in range(1, _OUT))
    words, inner = words[valid], np.asarray(inner)[valid]
    bits = (words[:, None] >> np.arange(len(_ROWS), dtype=np.uint32)) & np.uint32(1)
    return bits.astype(np.int8), inner.astype(np.int8)


def num_topologies() -> dict[int, int]:
    """Count the labelled topologies with each number of vertices, 2 to 7."""
    _, inner = topologies()
    return {int(n) + 2: int(count) for n, count in zip(*np.unique(inner, return_counts=True), strict=True)}


class DirectedGraphSpace(SearchSpace):
    """Every connected directed acyclic graph within the limits, with one of the given operations on each inner
    vertex.
    """

    code_length = len(_ROWS) + MAX_VERTICES - 2

    def __init__(self, name: str, operations: dict[str, str]) -> None:
        """See `SearchSpace`."""
        super().__init__(name, operations)
        counts = {2: 1, 3: 2, 4: 10, 5: 121, 6: 1_545, 7: 4_793}  # = num_topologies(), which takes 20 ms
        self.num_architectures = sum(count * len(operations) ** (n - 2) for n, count in counts.items())

    def operation_graphs(self, codes: NDArray[np.int8]) -> OperationGraphs:
        """Seven vertices: input, five operations of which the last may be absent, output."""
        kinds = np.empty((len(codes), MAX_VERTICES), dtype=np.int8)
        kinds[:, 0] = INPUT
        kinds[:, _OUT] = OUTPUT
        operations = codes[:, len(_ROWS) :]
        kinds[:, 1:_OUT] = np.where(operations >= 0, self._kinds[operations], ABSENT)
        edges = np.zeros((len(codes), MAX_VERTICES, MAX_VERTICES), dtype=np.uint8)
        edges[:, _ROWS, _COLUMNS] = codes[:, : len(_ROWS)]
        return OperationGraphs(kinds, edges)

    def sample_codes(self, n: int, rng: Generator) -> NDArray[np.int8]:
        """Draw uniformly over labelled cells, so nearly always seven vertices."""
        bits, inner = topologies()
        weights = float(len(self.operations)) ** inner
        chosen = rng.choice(len(bits), size=n, p=weights / weights.sum())
        operations = rng.integers(len(self.operations), size=(n, MAX_VERTICES - 2), dtype=np.int8)
        operations[np.arange(MAX_VERTICES - 2) >= inner[chosen, None]] = ABSENT
        return np.concatenate([bits[chosen], operations], axis=1)

    def neighbor_codes(self, codes: NDArray[np.int8]) -> NDArray[np.int8]:
        """Replace one operation, add or take away one edge (and prune the rest), or put a vertex on an edge."""
        edges, operations = self._unpack(codes)
        found = {tuple(codes.tolist())}
        for vertex in range(len(operations)):
            found |= self._with_each_operation(edges, operations, vertex)
        for source in range(len(edges)):
            for target in range(source + 1, len(edges)):
                flipped = edges.copy()
                flipped[source, target] ^= 1
                pruned = _prune(flipped, operations)
                if pruned is not None:
                    found.add(tuple(self._pack(*pruned)))
                if edges[source, target] and len(edges) < MAX_VERTICES and edges.sum() < MAX_EDGES:
                    split = np.insert(np.insert(edges, target, 0, axis=0), target, 0, axis=1)
                    split[source, target + 1] = 0
                    split[source, target] = split[target, target + 1] = 1
                    more = [*operations[: target - 1], 0, *operations[target - 1 :]]
                    found |= self._with_each_operation(split, more, target - 1)
        found.discard(tuple(codes.tolist()))
        return np.array(sorted(found), dtype=np.int8).reshape(-1, self.code_length)

    def slots(self, codes: NDArray[np.int8]) -> tuple[Slot, ...]:
        """List the operations of the inner vertices that are there; the edges stay as they are."""
        inner = range(len(_ROWS), len(_ROWS) + int((codes[len(_ROWS) :] >= 0).sum()))
        return tuple(Slot(str(number), place, self.operations) for number, place in enumerate(inner, 1))

    def _with_each_operation(self, edges: NDArray[np.int8], operations: list[int], vertex: int) -> set[tuple[int, ...]]:
        """List the codes of a cell with each operation in turn on one inner vertex."""
        codes = self._pack(edges, operations)
        place = len(_ROWS) + vertex
        return {(*codes[:place], other, *codes[place + 1 :]) for other in range(len(self.operations))}

    def _unpack(self, codes: NDArray[np.int8]) -> tuple[NDArray[np.int8], list[int]]:
        """Return the adjacency ``[n, n]`` of the n vertices that are there, and the operations of the inner ones."""
        operations = [int(code) for code in codes[len(_ROWS) :] if code >= 0]
        edges = np.zeros((MAX_VERTICES, MAX_VERTICES), dtype=np.int8)
        edges[_ROWS, _COLUMNS] = codes[: len(_ROWS)]
        there = [*range(len(operations) + 1), _OUT]
        return edges[np.ix_(there, there)], operations

    def _pack(self, edges: NDArray[np.int8], operations: list[int]) -> list[int]:
        """Return the codes of what `_unpack` returned."""
        last = len(operations) + 1
        full = np.zeros((MAX_VERTICES, MAX_VERTICES), dtype=np.int8)
        full[:last, :last], full[:last, _OUT] = edges[:last, :last], edges[:last, last]
        absent = [ABSENT] * (MAX_VERTICES - 2 - len(operations))
        return [*full[_ROWS, _COLUMNS].tolist(), *operations, *absent]

    def _format(self, codes: NDArray[np.int8]) -> str:
        edges, operations = self._unpack(codes)
        names = [*(self.operations[code] for code in operations), "output"]
        vertices = [
            "~".join([name, *map(str, np.flatnonzero(edges[:, vertex]))]) for vertex, name in enumerate(names, start=1)
        ]
        return f"|{'|'.join(vertices)}|"

    def _encode(self, cell: str) -> list[int]:
        example = f"|{self.operations[0]}~0|{self.operations[-1]}~0~1|output~1~2|"
        vertices = [token.split("~") for token in cell.strip("|").split("|")]
        if vertices[-1][0] != "output" or len(vertices) > MAX_VERTICES - 1:
            raise self._malformed(cell, "it needs at most five vertices and then the output", example)
        operations = [self._operation(name, f"vertex {v}", cell) for v, (name, *_) in enumerate(vertices[:-1], start=1)]
        edges = np.zeros((len(vertices) + 1, len(vertices) + 1), dtype=np.int8)
        for vertex, (_, *reads) in enumerate(vertices, start=1):
            for source in reads:
                if not _VERTEX.fullmatch(source) or int(source) >= vertex:
                    raise self._malformed(
                        cell, f"vertex {vertex} cannot read {source!r}, only those before it", example
                    )
                edges[int(source), vertex] = 1
        if edges.sum() > MAX_EDGES:
            raise self._malformed(cell, f"it has {edges.sum()} edges, more than {MAX_EDGES}", example)
        pruned = _prune(edges, operations)
        if pruned is None or len(pruned[1]) != len(operations):
            raise self._malformed(cell, "a vertex is not on a path from input to output: leave it out", example)
        codes = self._pack(edges, operations)
        if self._format(np.array(codes, dtype=np.int8)) != cell:
            raise self._malformed(cell, "bars and sources are not in order", example)
        return codes


class NASBench101(DirectedGraphSpace):
    """NAS-Bench-101: 423,624 cells, written in 1,293,208 ways (permuting inner vertices gives another text)."""

    def __init__(self) -> None:
        """Build the space."""
        operations = {"conv3x3-bn-relu": "conv3-d1", "conv1x1-bn-relu": "conv1-d1", "maxpool3x3": "maxpool"}
        super().__init__("nasbench101", operations)


def _prune(edges: NDArray[np.int8], operations: list[int]) -> tuple[NDArray[np.int8], list[int]] | None:
    """Drop vertices that are not on a path from input to output; None if nothing is left or there are too many
    edges.
    """
    n = len(edges)
    readers = [sum(1 << target for target, there in enumerate(row) if there) for row in edges.tolist()]
    from_input, to_output = 1, 1 << (n - 1)  # sets of vertices, a bit each
    for vertex in range(n - 1):
        if from_input >> vertex & 1:
            from_input |= readers[vertex]
    for vertex in range(n - 2, -1, -1):
        if readers[vertex] & to_output:
            to_output |= 1 << vertex
    live = [vertex for vertex in range(n) if from_input & to_output & 1 << vertex]
    if not live:
        return None
    if len(live) < n:
        edges, operations = edges[live][:, live], [operations[vertex - 1] for vertex in live if 0 < vertex < n - 1]
    return None if edges.sum() > MAX_EDGES else (edges, operations)
