"""The skeleton of a space: the operations that each vertex of a cell may have, and the choices that make a cell.

Every cell of a space is a part of one graph, its skeleton. A supernet has a module for each operation of each vertex
of the skeleton. Where all cells have the same edges, a cell is one choice for each of a few slots, which relaxations
weight; the cells of NAS-Bench-101 choose their edges too and have no slots, so that they can only be sampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mpnas_ray.checks import require_one_of
from mpnas_ray.errors import SearchSpaceError
from mpnas_ray.spaces import Architecture, Architectures, SearchSpace
from mpnas_ray.spaces.mixed import Mixed
from mpnas_ray.spaces.nasbench101 import DirectedGraphSpace, topologies
from mpnas_ray.spaces.nasbench201 import FourStateSpace
from mpnas_ray.spaces.nasbenchasr import ChainSpace
from mpnas_ray.spaces.operation_graph import ABSENT
from mpnas_ray.spaces.operations import INPUT, OUTPUT, ZERO

__all__ = ["Skeleton", "Slot", "choices_of", "skeleton_of"]


@dataclass(frozen=True)
class Slot:
    """One choice among several operations for a vertex.

    Attributes:
        vertex: Vertex of the cell's graph.
        kinds: Kind of each choice, an index into `KINDS`; -1 where the choice is to leave the vertex out.
    """

    vertex: int
    kinds: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Skeleton:
    """The graph of which all cells of a space are parts.

    Attributes:
        space: Search space.
        family: Family of the mixed space that the cells are limited to; None for all.
        kinds: Operations that need a module, for each vertex; none for the input and the output.
        edges: uint8 ``[V, V]``, 1 where some cell has an edge.
        slots: Choices that make a cell, in the order of its codes; empty where edges are chosen too.
    """

    space: SearchSpace
    family: str | None
    kinds: tuple[tuple[int, ...], ...]
    edges: NDArray[np.uint8]
    slots: tuple[Slot, ...]

    @property
    def name(self) -> str:
        """Name of the space, with that of the family if there is one: ``mixed:nasbench201``."""
        return self.space.name if self.family is None else f"{self.space.name}:{self.family}"

    def sample(self, n: int, rng: Generator) -> Architectures:
        """Draw ``n`` independent random architectures."""
        if self.family is None:
            return self.space.sample_many(n, rng)
        number, own = _member(self.space, self.family)
        return Architectures(self.space, _join(self.space, number, own.sample_codes(n, rng)))

    def arch(self, choices: Sequence[int]) -> Architecture:
        """Return the architecture that makes these choices, one for each slot."""
        number, _ = _member(self.space, self.family)
        codes = np.asarray([choices], dtype=np.int8)
        return self.space.architecture(_join(self.space, number, codes)[0])

    def choices(self, archs: Architectures) -> NDArray[np.int8]:
        """List the choices that architectures make, ``[N, slots]``."""
        first = 0 if self.family is None else 1
        return archs.codes[:, first : first + len(self.slots)]


def skeleton_of(space: SearchSpace, family: str | None = None) -> Skeleton:
    """Find the graph of which all cells of a space are parts.

    Args:
        space: Search space.
        family: Family of the mixed space to which to limit the cells.

    Raises:
        SearchSpaceError: If the space has no such family, or is none of this project's.
    """
    if family is not None:
        families = [member.name for member in space.families] if isinstance(space, Mixed) else []
        if not families:
            raise SearchSpaceError(f"{space.name} has no families, so that there is no {family!r} to choose.")
        require_one_of("family", family, families, error=SearchSpaceError)
    if isinstance(space, Mixed) and family is None:
        codes = [_join(space, number, _spanning_codes(own)) for number, own in enumerate(space.families)]
        slots: tuple[Slot, ...] = ()
    else:
        number, own = _member(space, family)
        codes = [_join(space, number, _spanning_codes(own))]
        slots = _slots(space, number, own)
    graphs = space.operation_graphs(np.concatenate(codes))
    without_module = {ABSENT, ZERO, INPUT, OUTPUT}
    kinds = tuple(tuple(sorted(set(column.tolist()) - without_module)) for column in graphs.kinds.T)
    return Skeleton(space, family, kinds, np.asarray(graphs.edges.max(axis=0)), slots)


def choices_of(space: SearchSpace) -> tuple[int, ...] | None:
    """Return the number of values that each code of a cell has; None where codes depend on each other.

    Raises:
        SearchSpaceError: If the space is none that supernets are built for.
    """
    num = len(space.operations)
    if isinstance(space, FourStateSpace):
        return (num,) * space.code_length
    if isinstance(space, ChainSpace):
        return (num,) * 3 + (2,) * 6
    if isinstance(space, DirectedGraphSpace | Mixed):
        return None
    raise SearchSpaceError(f"There is no supernet of the space {space.name}: its cells are built in another way.")


def _member(space: SearchSpace, family: str | None) -> tuple[int, SearchSpace]:
    """Return number and space of a family; the space itself if it has none."""
    if isinstance(space, Mixed) and family is not None:
        number = [member.name for member in space.families].index(family)
        return number, space.families[number]
    return 0, space


def _join(space: SearchSpace, number: int, codes: NDArray[np.int8]) -> NDArray[np.int8]:
    return space.join(number, codes) if isinstance(space, Mixed) else codes


def _spanning_codes(own: SearchSpace) -> NDArray[np.int8]:
    """List codes of cells that together have every edge, and every operation at every vertex."""
    sizes = choices_of(own)
    num = len(own.operations)
    if sizes is not None:
        return np.stack([np.minimum(value, np.array(sizes) - 1) for value in range(max(sizes))]).astype(np.int8)
    bits, inner = topologies()
    most = int(inner.max())
    edges = bits[inner == most]
    all_edges = np.concatenate([edges, np.zeros((len(edges), most), dtype=np.int8)], axis=1)
    all_operations = np.repeat(all_edges[:1], num, axis=0)
    all_operations[:, -most:] = np.arange(num)[:, None]
    return np.concatenate([all_edges, all_operations])


def _slots(space: SearchSpace, number: int, own: SearchSpace) -> tuple[Slot, ...]:
    """Find which vertex each code sets, and the kind that it sets for each of its values."""
    slots = []
    for place, size in enumerate(choices_of(own) or ()):
        codes = np.zeros((size, own.code_length), dtype=np.int8)
        codes[:, place] = np.arange(size)
        kinds = space.operation_graphs(_join(space, number, codes)).kinds
        vertex = int(np.flatnonzero((kinds != kinds[0]).any(axis=0))[0])
        slots.append(Slot(vertex, tuple(kinds[:, vertex].tolist())))
    return tuple(slots)
