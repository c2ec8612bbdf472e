"""Many cells at once as graphs of operations, and the canonical form of each.

Every topology of every space becomes the same thing here: a directed acyclic graph whose vertices are operations, whose
first vertex is the cell's input and whose last is its output; a vertex adds up what it reads. Predictors, networks,
drawings and canonical forms all start from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.spaces.operations import SKIP, ZERO

__all__ = ["OperationGraphs", "edges_between_links"]

ABSENT = -1


@dataclass(frozen=True)
class OperationGraphs:
    """N cells of one space.

    Attributes:
        kinds: int8 ``[N, V]``, an index into `KINDS` for each vertex, or -1 where a cell has fewer vertices than its
            space allows. Vertices stand in topological order; vertex 0 is the input, vertex V-1 the output.
        edges: uint8 ``[N, V, V]``; ``edges[n, i, j]`` is 1 where vertex j of cell n reads vertex i < j.
        attributes: float32 ``[N, V, A]``, the numbers of each vertex that `ATTRIBUTES` names, 0 where there is no
            vertex; None where all are 0. A skip only carries on what it reads, so its own attributes do not count.
    """

    kinds: NDArray[np.int8]
    edges: NDArray[np.uint8]
    attributes: NDArray[np.float32] | None = None

    def live(self) -> NDArray[np.bool_]:
        """Find the vertices that carry anything from input to output, bool ``[N, V]``; computed once, read-only.

        A skip carries, a zero does not. A cell without a path from input to output has no live vertex at all.
        """
        return self._live

    def contracted(self) -> OperationGraphs:
        """Reduce the cells to what they compute: the form that `canonical_keys` compares.

        Zeros and whatever lies on no path from input to output are absent, skips are edges: ``edges[n, i, j]`` is how
        often vertex j adds vertex i, more than 1 for parallel skips. A cell without a path has no vertex at all, not
        even input and output.
        """
        multiplicity, live = self._contracted
        edges = np.ascontiguousarray(multiplicity.transpose(2, 0, 1), dtype=np.uint8)
        attributes = None if self.attributes is None else self.attributes * live.T[..., None]
        return OperationGraphs(np.where(live.T, self.kinds, np.int8(ABSENT)), edges, attributes)

    def canonical_keys(self) -> NDArray[np.uint64]:
        """Compute one key a cell, ``[N]``, equal where two cells compute the same function of the same operations.

        The cell is pruned to what lies on a path from input to output, its zeros are cut and its skips contracted; two
        parallel skips then leave an edge of multiplicity 2, since they double their input. Cells without a path are all
        equal. Keys are colours of directed Weisfeiler-Lehman refinement, summed over the vertices; they do not depend
        on the space, the process or the version of numpy. That colours do tell apart every pair of non-isomorphic
        cells was checked exhaustively for NAS-Bench-101, -201 and -ASR and on samples of the mixed space
        (tests/mpnas_ray/spaces). Vertices of one kind with different attributes are different operations.
        """
        multiplicity, live = self._contracted
        num_vertices = len(live)
        pairs = [(i, j) for j in range(num_vertices) for i in range(j) if multiplicity[i, j].any()]
        weights = [multiplicity[pair].astype(np.uint64) for pair in pairs]
        colour = np.where(live, _mix((self.kinds.astype(np.uint64) ^ self.attribute_words()).T), np.uint64(0))
        for _ in range(max(1, num_vertices - 2)):
            mixed = np.where(live, _mix(colour + np.uint64(1)), np.uint64(0))
            incoming, outgoing = np.zeros_like(mixed), np.zeros_like(mixed)
            for (i, j), weight in zip(pairs, weights, strict=True):
                incoming[j] += weight * mixed[i]
                outgoing[i] += weight * mixed[j]
            colour = np.where(live, _mix(colour ^ _mix(incoming ^ _mix(outgoing))), np.uint64(0))
        keys: NDArray[np.uint64] = _mix(np.where(live, _mix(colour), np.uint64(0)).sum(axis=0, dtype=np.uint64))
        return keys

    def attribute_words(self) -> NDArray[np.uint64]:
        """Hash the attributes of each vertex, ``[N, V]``: 0 where all are 0, so that a plain cell is what it was."""
        words = np.zeros(self.kinds.shape, dtype=np.uint64)
        if self.attributes is not None:
            for number, values in enumerate((self.attributes + np.float32(0)).transpose(2, 0, 1)):  # no -0.0
                bits = np.ascontiguousarray(values).view(np.uint32).astype(np.uint64)
                words ^= np.where(bits > 0, _mix(bits << np.uint64(8) | np.uint64(number)), np.uint64(0))
        return words

    @cached_property
    def _live(self) -> NDArray[np.bool_]:
        live = np.ascontiguousarray(_contract(self.kinds, self.edges, skips=False)[1].T)
        live.flags.writeable = False
        return live

    @cached_property
    def _contracted(self) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
        return _contract(self.kinds, self.edges, skips=True)


def edges_between_links(links: Sequence[tuple[int, int]]) -> NDArray[np.uint8]:
    """Turn a cell with operations on the links between its states into one with operations on vertices.

    Args:
        links: (source, target) state of each operation; state 0 is the input, the highest the output.

    Returns:
        ``[V, V]`` for the vertices input, operations in their order, output: an operation reads all operations into its
        source state.
    """
    last, output = max(target for _, target in links), len(links) + 1
    edges = np.zeros((output + 1, output + 1), dtype=np.uint8)
    for vertex, (source, target) in enumerate(links, start=1):
        edges[0, vertex] = source == 0
        edges[vertex, output] = target == last
        for later, (from_state, _) in enumerate(links, start=1):
            edges[vertex, later] = from_state == target
    return edges


def _contract(
    kinds: NDArray[np.int8], edges: NDArray[np.uint8], *, skips: bool
) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
    """Cut zeros, contract skips if asked, prune.

    Cells come last, so that each step is one over all of them.

    Returns:
        Multiplicities of edges ``[V, V, N]``, and which vertices are live ``[V, N]``.
    """
    of_vertex = np.ascontiguousarray(kinds.T)
    multiplicity = np.ascontiguousarray(edges.transpose(1, 2, 0), dtype=np.uint16)
    num_vertices = len(of_vertex)
    removed = (of_vertex == ZERO) | (of_vertex == ABSENT)
    if skips:
        is_skip = of_vertex == SKIP
        for vertex in range(1, num_vertices - 1):
            if is_skip[vertex].any():
                out = multiplicity[vertex, vertex + 1 :] * is_skip[vertex]
                multiplicity[:vertex, vertex + 1 :] += multiplicity[:vertex, vertex, None] * out
        removed |= is_skip
    live, linked = ~removed, multiplicity > 0
    from_input, to_output = np.zeros_like(live), np.zeros_like(live)
    from_input[0] = to_output[-1] = True
    for vertex in range(1, num_vertices):
        from_input[vertex] = (linked[:vertex, vertex] & from_input[:vertex]).any(axis=0) & live[vertex]
    for vertex in range(num_vertices - 2, -1, -1):
        to_output[vertex] = (linked[vertex, vertex + 1 :] & to_output[vertex + 1 :]).any(axis=0) & live[vertex]
    live = from_input & to_output
    multiplicity *= live[:, None] & live
    return multiplicity, live


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scatter 64-bit words by a bijection (splitmix64, Steele et al. 2014, the finaliser of SplittableRandom)."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = value ^ (value >> np.uint64(31))
    return mixed
