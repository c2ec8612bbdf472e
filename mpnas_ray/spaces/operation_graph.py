"""Many cells at once as graphs of operations, and the canonical form of each.

Every topology of every space becomes the same thing here: a directed acyclic graph whose vertices are operations, whose
first vertex is the cell's input and whose last is its output; a vertex adds up what it reads. Predictors, networks,
drawings and canonical forms all start from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
        """Find the vertices that carry anything from input to output, bool ``[N, V]``.

        A skip carries, a zero does not. A cell without a path from input to output has no live vertex at all.
        """
        _, _, live = _contract(self.kinds, self.edges, skips=False)
        return live

    def contracted(self) -> OperationGraphs:
        """Reduce the cells to what they compute: the form that `canonical_keys` compares.

        Zeros and whatever lies on no path from input to output are absent, skips are edges: ``edges[n, i, j]`` is how
        often vertex j adds vertex i, more than 1 for parallel skips. A cell without a path has no vertex at all, not
        even input and output.
        """
        kinds, multiplicity, live = _contract(self.kinds, self.edges, skips=True)
        attributes = None if self.attributes is None else self.attributes * live[..., None]
        return OperationGraphs(np.where(live, kinds, np.int8(ABSENT)), multiplicity.astype(np.uint8), attributes)

    def canonical_keys(self) -> NDArray[np.uint64]:
        """Compute one key a cell, ``[N]``, equal where two cells compute the same function of the same operations.

        The cell is pruned to what lies on a path from input to output, its zeros are cut and its skips contracted; two
        parallel skips then leave an edge of multiplicity 2, since they double their input. Cells without a path are all
        equal. Keys are colours of directed Weisfeiler-Lehman refinement, summed over the vertices; they do not depend
        on the space, the process or the version of numpy. That colours do tell apart every pair of non-isomorphic
        cells was checked exhaustively for NAS-Bench-101, -201 and -ASR and on samples of the mixed space
        (tests/mpnas_ray/spaces). Vertices of one kind with different attributes are different operations.
        """
        kinds, multiplicity, live = _contract(self.kinds, self.edges, skips=True)
        edges = multiplicity.astype(np.uint64)
        reversed_edges = edges.transpose(0, 2, 1)
        colour = np.where(live, _mix(kinds.astype(np.uint64) ^ self.attribute_words()), np.uint64(0))
        for _ in range(max(1, kinds.shape[1] - 2)):
            mixed = np.where(live, _mix(colour + np.uint64(1)), np.uint64(0))
            incoming = (reversed_edges @ mixed[..., None])[..., 0]
            outgoing = (edges @ mixed[..., None])[..., 0]
            colour = np.where(live, _mix(colour ^ _mix(incoming ^ _mix(outgoing))), np.uint64(0))
        keys: NDArray[np.uint64] = _mix(np.where(live, _mix(colour), np.uint64(0)).sum(axis=1, dtype=np.uint64))
        return keys

    def attribute_words(self) -> NDArray[np.uint64]:
        """Hash the attributes of each vertex, ``[N, V]``: 0 where all are 0, so that a plain cell is what it was."""
        words = np.zeros(self.kinds.shape, dtype=np.uint64)
        if self.attributes is not None:
            for number, values in enumerate((self.attributes + np.float32(0)).transpose(2, 0, 1)):  # no -0.0
                bits = np.ascontiguousarray(values).view(np.uint32).astype(np.uint64)
                words ^= np.where(bits > 0, _mix(bits << np.uint64(8) | np.uint64(number)), np.uint64(0))
        return words


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
) -> tuple[NDArray[np.int8], NDArray[np.int64], NDArray[np.bool_]]:
    """Cut zeros, contract skips if asked, prune.

    Returns:
        Kinds ``[N, V]``, multiplicities of edges ``[N, V, V]``, and which vertices are live ``[N, V]``.
    """
    num_vertices = kinds.shape[1]
    multiplicity = edges.astype(np.int64)
    removed = (kinds == ZERO) | (kinds == ABSENT)
    if skips:
        for vertex in range(1, num_vertices - 1):
            skip = np.flatnonzero(kinds[:, vertex] == SKIP)
            if skip.size:
                paths = multiplicity[skip, :, vertex, None] * multiplicity[skip, None, vertex, :]
                multiplicity[skip] += paths
        removed = removed | (kinds == SKIP)
    live = ~removed
    from_input = np.zeros_like(live)
    from_input[:, 0] = True
    for vertex in range(1, num_vertices):
        reads = (multiplicity[:, :, vertex] > 0) & from_input
        from_input[:, vertex] = reads.any(axis=1) & live[:, vertex]
    to_output = np.zeros_like(live)
    to_output[:, -1] = True
    for vertex in range(num_vertices - 2, -1, -1):
        feeds = (multiplicity[:, vertex, :] > 0) & to_output
        to_output[:, vertex] = feeds.any(axis=1) & live[:, vertex]
    live = from_input & to_output
    multiplicity *= live[:, :, None] & live[:, None, :]
    return kinds, multiplicity, live


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scatter 64-bit words by a bijection (splitmix64, Steele et al. 2014, the finaliser of SplittableRandom)."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = value ^ (value >> np.uint64(31))
    return mixed
