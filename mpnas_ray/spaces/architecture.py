"""Architectures: one as an immutable value, many as one array."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.errors import SearchSpaceError
from mpnas_ray.spaces.operation_graph import OperationGraphs
from mpnas_ray.spaces.registry import get_space, parse_architecture

if TYPE_CHECKING:
    from mpnas_ray.spaces.space import SearchSpace

__all__ = ["Architecture", "Architectures"]

_MOST_KEPT = 40_000
"""Longest list that keeps its graphs, which take 16 MB if they have eleven vertices, and what kernels compute of it: a
searcher ranks the same list after each result."""


@dataclass(frozen=True)
class Architecture:
    """One architecture of a search space; its text is the whole truth about it.

    Made by a space (`SearchSpace.parse`, `SearchSpace.sample` and the like), not by hand.

    Attributes:
        text: Short and stable, ``<space>:<cell>``, e.g. ``nasbench201:|nor_conv_3x3~0|+|...``. Equality and hash are
            those of the text.
        codes: The same as small integers, in the layout of the space's module.
    """

    text: str
    codes: tuple[int, ...] = field(compare=False, repr=False)

    def __str__(self) -> str:
        return self.text

    @property
    def space(self) -> SearchSpace:
        """The search space that the text names."""
        return get_space(self.text.partition(":")[0])

    @property
    def graph(self) -> OperationGraphs:
        """The cell as a graph of operations, a batch of one."""
        return self.space.operation_graphs(np.asarray([self.codes], dtype=np.int8))

    @cached_property
    def canonical(self) -> int:
        """64-bit key of the canonical form; see `OperationGraphs.canonical_keys`."""
        return int(self.graph.canonical_keys()[0])


@dataclass(frozen=True, eq=False)
class Architectures(Sequence[Architecture]):
    """Many architectures of one space, held as one array.

    Attributes:
        space: Search space of all of them.
        codes: int8 ``[N, space.code_length]``, read-only.
    """

    space: SearchSpace
    codes: NDArray[np.int8]

    def __post_init__(self) -> None:
        if self.codes.ndim != 2 or self.codes.shape[1] != self.space.code_length or self.codes.dtype != np.int8:
            raise SearchSpaceError(
                f"codes of {self.space.name} are int8 of shape [N, {self.space.code_length}], "
                f"not {self.codes.dtype} of shape {list(self.codes.shape)}."
            )
        self.codes.flags.writeable = False

    @classmethod
    def of(cls, archs: Iterable[Architecture | str], space: SearchSpace | None = None) -> Architectures:
        """Collect architectures, or their strings, of one space.

        Raises:
            SearchSpaceError: If they are of several spaces, or if there is none and no ``space`` is named.
        """
        if isinstance(archs, Architectures):
            return archs
        members = list(archs)
        if space is None:
            if not members:
                raise SearchSpaceError("An empty list of architectures does not say its space: pass space=...")
            first = members[0]
            space = first.space if isinstance(first, Architecture) else parse_architecture(first).space
        codes = np.empty((len(members), space.code_length), dtype=np.int8)
        for row, arch in enumerate(members):
            if isinstance(arch, Architecture) and not arch.text.startswith(f"{space.name}:"):
                raise SearchSpaceError(f"{arch} is not of the space {space.name}: one batch holds one space.")
            codes[row] = arch.codes if isinstance(arch, Architecture) else space.parse(arch).codes
        return cls(space, codes)

    @overload
    def __getitem__(self, index: int | np.integer) -> Architecture: ...
    @overload
    def __getitem__(self, index: slice | NDArray[np.integer] | NDArray[np.bool_]) -> Architectures: ...
    def __getitem__(
        self, index: int | np.integer | slice | NDArray[np.integer] | NDArray[np.bool_]
    ) -> Architecture | Architectures:
        """Return one architecture, or by slice, index array or mask another batch."""
        if isinstance(index, int | np.integer):
            return self.space.architecture(self.codes[index])
        chosen = Architectures(self.space, self.codes[index])
        if "_canonical_keys" in self.__dict__:  # what is computed is passed on
            chosen.__dict__["_canonical_keys"] = self._canonical_keys[index]
        return chosen

    def __len__(self) -> int:
        return len(self.codes)

    def graphs(self) -> OperationGraphs:
        """Turn all cells into graphs of operations; those of a list that is not too long are kept."""
        return self._graphs if len(self) <= _MOST_KEPT else self.space.operation_graphs(self.codes)

    def described(self, describe: Callable[[Architectures], NDArray[Any]]) -> NDArray[Any]:
        """Return what a function computes of all of them; for a list that is not too long it is kept, and read-only.

        Args:
            describe: The same function each time, not a new one that does the same.
        """
        if len(self) > _MOST_KEPT:
            return describe(self)
        if describe not in self._descriptions:
            described = describe(self)
            described.flags.writeable = False
            self._descriptions[describe] = described
        return self._descriptions[describe]

    def canonical_keys(self) -> NDArray[np.uint64]:
        """Return the key of the canonical form of each, ``[N]``; computed once, read-only."""
        return self._canonical_keys

    def text_keys(self) -> NDArray[np.uint64]:
        """Compute one number for each, ``[N]``, equal for equal texts."""
        hashed = np.zeros(len(self), dtype=np.uint64)
        for column in self.codes.T:  # FNV-1a over the letters of the code, in 64 bits
            hashed = (hashed ^ column.astype(np.uint8).astype(np.uint64)) * np.uint64(0x100000001B3)
            hashed ^= hashed >> np.uint64(29)
        return hashed

    def __getstate__(self) -> dict[str, object]:
        """Leave graphs and descriptions out of pickles and copies."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_graphs", "_descriptions")}

    @cached_property
    def _descriptions(self) -> dict[Callable[[Architectures], NDArray[Any]], NDArray[Any]]:
        return {}

    @cached_property
    def _graphs(self) -> OperationGraphs:
        return self.space.operation_graphs(self.codes)

    @cached_property
    def _canonical_keys(self) -> NDArray[np.uint64]:
        keys = self.graphs().canonical_keys()
        keys.flags.writeable = False
        return keys
