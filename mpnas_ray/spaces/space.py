"""The base class of search spaces.

A space is a layout of small integers (`code_length` int8 codes a cell) with five abstract operations on it, all but the
reading and writing of text over whole arrays. Everything else (sampling objects, containment, mutation) follows from
them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mpnas_ray.checks import require_count
from mpnas_ray.errors import SearchSpaceError
from mpnas_ray.names import did_you_mean
from mpnas_ray.spaces.architecture import Architecture, Architectures
from mpnas_ray.spaces.operation_graph import OperationGraphs
from mpnas_ray.spaces.operations import KINDS

__all__ = ["SearchSpace", "Sizes", "Slot"]

_ENUMERABLE = 40_000


@dataclass(frozen=True)
class Slot:
    """A choice in a cell that can be changed whatever the others are.

    Attributes:
        name: Name of the slot, unique in the cell.
        place: Place of its code.
        values: Values that it may hold, as the space writes them; the code indexes this tuple.
    """

    name: str
    place: int
    values: tuple[str, ...]


@dataclass(frozen=True)
class Sizes:
    """Sizes of the three stacks of a network around its cell.

    Attributes:
        width: Channels of the first stack.
        depth: Cells of each stack.
        strides: Number of stacks, the last ones, before which the resolution is halved, where the output is not one
            for each position, and the width doubled.
    """

    width: int
    depth: int
    strides: int


class SearchSpace(ABC):
    """A search space: a set of cells.

    Attributes:
        name: Prefix of every architecture string of the space.
        operations: Operation names as the space writes them; a cell's operation codes index this tuple.
        code_length: Number of int8 codes that describe one cell.
        num_architectures: Number of different architecture strings.
        has_attributes: True if the vertices of its graphs have attributes, that is if its networks differ in width or
            depth.
        num_size_codes: Number of codes, the last ones, that say the sizes of the network around the cell.
    """

    name: str
    operations: tuple[str, ...]
    code_length: int
    num_architectures: int
    has_attributes: bool = False
    num_size_codes: int = 0

    def __init__(self, name: str, operations: dict[str, str]) -> None:
        """Name the space and map each of its operation names to the name of one of the shared `OPERATIONS`."""
        self.name = name
        self.operations = tuple(operations)
        self._kinds = np.array([KINDS.index(kind) for kind in operations.values()], dtype=np.int8)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self.num_architectures:,} architectures)"

    @property
    def kinds(self) -> tuple[int, ...]:
        """Kind of each of `operations`, an index into `KINDS`."""
        return tuple(self._kinds.tolist())

    # Each space defines these methods.

    @abstractmethod
    def operation_graphs(self, codes: NDArray[np.int8]) -> OperationGraphs:
        """Turn cells ``codes [N, code_length]`` into graphs of operations, with attributes if `has_attributes`."""

    @abstractmethod
    def sample_codes(self, n: int, rng: Generator) -> NDArray[np.int8]:
        """Draw the codes of ``n`` independent random cells, ``[n, code_length]``."""

    @abstractmethod
    def neighbor_codes(self, codes: NDArray[np.int8]) -> NDArray[np.int8]:
        """List the codes of all cells one change away from one cell ``codes [code_length]``: ``[K, code_length]``."""

    @abstractmethod
    def _format(self, codes: NDArray[np.int8]) -> str:
        """Write the cell as text, without the name of the space."""

    @abstractmethod
    def _encode(self, cell: str) -> list[int]:
        """Read what `_format` wrote; raise `SearchSpaceError` for anything else."""

    def slots(self, codes: NDArray[np.int8]) -> tuple[Slot, ...]:
        """List the slots of one cell ``codes [code_length]``: by default every code, which is then an operation.

        Whatever values the slots hold, the cell is one of the space. A space whose topology is part of the code holds
        the topology as it is.
        """
        return tuple(Slot(str(place + 1), place, self.operations) for place in range(self.code_length))

    def sizes(self, codes: NDArray[np.int8]) -> Sizes | None:
        """Return the sizes of the network of one architecture; None where a preset gives those of all networks.

        They follow from the last `num_size_codes` of its codes.
        """
        return None

    # These follow from them.

    def architecture(self, codes: NDArray[np.int8]) -> Architecture:
        """Make the architecture that ``codes [code_length]`` stand for."""
        return Architecture(f"{self.name}:{self._format(codes)}", tuple(codes.tolist()))

    def parse(self, text: str) -> Architecture:
        """Read an architecture string; the name of the space in front may be left out.

        Raises:
            SearchSpaceError: Naming the token that is wrong and what was expected.
        """
        if not isinstance(text, str):
            raise SearchSpaceError(f"An architecture of {self.name} is written as text, not as {type(text).__name__}.")
        return _parsed(self, text)

    def __contains__(self, arch: object) -> bool:
        """Tell whether an architecture, or its string, is one of this space."""
        text = str(arch) if isinstance(arch, Architecture) else arch
        if not isinstance(text, str):
            return False
        try:
            return str(self.parse(text)) in (text, f"{self.name}:{text}")
        except SearchSpaceError:
            return False

    def sample(self, rng: Generator) -> Architecture:
        """Draw one random architecture."""
        return self.sample_many(1, rng)[0]

    def sample_many(self, n: int, rng: Generator) -> Architectures:
        """Draw ``n`` independent random architectures, 0 or more; the same one may come twice.

        Raises:
            SearchSpaceError: If ``n`` is not such a number.
        """
        require_count("n", n, 0, error=SearchSpaceError)
        return Architectures(self, self.sample_codes(n, rng))

    def neighbors(self, arch: Architecture) -> Architectures:
        """List all architectures one change away, each once, ``arch`` not among them."""
        return Architectures(self, self.neighbor_codes(np.asarray(arch.codes, dtype=np.int8)))

    def mutate(self, arch: Architecture, rng: Generator) -> Architecture:
        """Draw one of the neighbours, each as likely as the others."""
        neighbors = self.neighbors(arch)
        return neighbors[int(rng.integers(len(neighbors)))]

    @property
    def enumerable(self) -> bool:
        """True if the space is small enough (40,000) to be listed and ranked whole rather than sampled."""
        return self.num_architectures <= _ENUMERABLE

    def enumerate(self) -> Architectures:
        """List every architecture once; only for an `enumerable` space."""
        raise SearchSpaceError(
            f"{self.name} has {self.num_architectures:,} architectures, too many to list: sample it."
        )

    @cached_property
    def _distinct(self) -> Architectures:
        everything = self.enumerate()
        _, first = np.unique(everything.canonical_keys(), return_index=True)
        return everything[np.sort(first)]

    def distinct(self) -> Architectures:
        """List one architecture of each canonical form, the first in the order of `enumerate`.

        Only for an `enumerable` space.
        """
        return self._distinct

    def _operation(self, name: str, where: str, cell: str) -> int:
        """Return the code of an operation, or raise an error that says which there are."""
        if name in self.operations:
            return self.operations.index(name)
        raise SearchSpaceError(
            f"{name!r} is not an operation of {self.name} ({where} of {cell!r}). It has: {', '.join(self.operations)}."
            f"{did_you_mean(name, self.operations)}"
        )

    def _malformed(self, cell: str, problem: str, example: str) -> SearchSpaceError:
        return SearchSpaceError(f"{cell!r} is not a cell of {self.name}: {problem}. It should look like {example!r}.")


@lru_cache(maxsize=4_096)
def _parsed(space: SearchSpace, text: str) -> Architecture:
    """Read an architecture string, see `SearchSpace.parse`: a search reads those of its trials at each refit."""
    cell = text.removeprefix(f"{space.name}:")
    return space.architecture(np.asarray(space._encode(cell), dtype=np.int8))


def other_values(codes: NDArray[np.int8], places: range, num_values: int) -> NDArray[np.int8]:
    """List all copies of ``codes`` with another of ``num_values`` values at one of ``places``: ``[K, code_length]``."""
    steps = np.arange(1, num_values)
    changed = np.repeat(codes[None], len(places) * len(steps), axis=0)
    rows = np.arange(len(changed)).reshape(len(places), len(steps))
    for place, of_place in zip(places, rows, strict=True):
        changed[of_place, place] = (codes[place] + steps) % num_values
    return changed


def all_codes(sizes: tuple[int, ...]) -> NDArray[np.int8]:
    """List all codes with ``0 <= code_i < sizes[i]``, in lexicographic order: ``[prod(sizes), len(sizes)]``."""
    grid = np.indices(sizes, dtype=np.int8)
    return np.ascontiguousarray(grid.reshape(len(sizes), -1).T)
