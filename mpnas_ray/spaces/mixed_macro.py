"""Cells of the mixed space in networks of several widths, depths and resolutions: a space of ours for one's own tasks.

An architecture is written ``mixed-macro:<cell of mixed>@w16-d2-s1``: the first of three stacks has 16 channels, each
stack has 2 cells, and the last stack has half the resolution and twice the width. Codes: those of the cell, then the
place of the width in `WIDTHS`, that of the depth in `DEPTHS`, and the number of halvings.

In the graph, all vertices but skips and zeros have the width of the first stack and the number of cells as attributes,
and the input the stride of the whole network.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mpnas_ray.spaces.mixed import Mixed
from mpnas_ray.spaces.operation_graph import OperationGraphs
from mpnas_ray.spaces.operations import ATTRIBUTES, INPUT, SKIP, ZERO
from mpnas_ray.spaces.space import SearchSpace, Sizes, Slot, other_values

__all__ = ["DEPTHS", "STRIDES", "WIDTHS", "MixedMacro"]

WIDTHS = (8, 16, 32, 64)
"""Channels of the first stack."""

DEPTHS = (1, 2, 3, 4, 5)
"""Cells of each stack."""

STRIDES = (0, 1, 2)
"""Numbers of stacks, the last ones, before which the resolution is halved and the width doubled."""

_CHOICES = (WIDTHS, DEPTHS, STRIDES)
_BASE_WIDTH = 16
_SIZES = re.compile(r"w(\d+)-d(\d+)-s(\d+)")


class MixedMacro(SearchSpace):
    """A cell of another space times width, depth and strides of the network."""

    has_attributes = True
    num_size_codes = len(_CHOICES)

    def __init__(self, name: str = "mixed-macro", cells: SearchSpace | None = None) -> None:
        """Build the space of that name around the cells of a space, by default of `mixed`."""
        self.cells = cells or Mixed()
        super().__init__(name, dict(zip(self.cells.operations, self.cells.operations, strict=True)))
        self.code_length = self.cells.code_length + len(_CHOICES)
        self.num_architectures = self.cells.num_architectures * len(WIDTHS) * len(DEPTHS) * len(STRIDES)

    def operation_graphs(self, codes: NDArray[np.int8]) -> OperationGraphs:
        """Build the graphs of the cells, and give their vertices attributes."""
        graphs = self.cells.operation_graphs(codes[:, : -len(_CHOICES)])
        width, depth, stride = (
            np.array(values, dtype=np.float32)[codes[:, place]]
            for place, values in zip(range(-len(_CHOICES), 0), _CHOICES, strict=True)
        )
        counts = (graphs.kinds >= 0) & (graphs.kinds != SKIP) & (graphs.kinds != ZERO)
        attributes = np.zeros((*graphs.kinds.shape, len(ATTRIBUTES)), dtype=np.float32)
        attributes[..., ATTRIBUTES.index("log2 width")] = np.log2(width / _BASE_WIDTH)[:, None] * counts
        attributes[..., ATTRIBUTES.index("log2 repeats")] = np.log2(depth)[:, None] * counts
        attributes[..., ATTRIBUTES.index("log2 stride")] = stride[:, None] * (graphs.kinds == INPUT)
        return OperationGraphs(graphs.kinds, graphs.edges, attributes)

    def sample_codes(self, n: int, rng: Generator) -> NDArray[np.int8]:
        """Draw the cell as its space draws it, and the sizes uniformly."""
        cells = self.cells.sample_codes(n, rng)
        sizes = [rng.integers(len(values), size=(n, 1), dtype=np.int8) for values in _CHOICES]
        return np.concatenate([cells, *sizes], axis=1)

    def neighbor_codes(self, codes: NDArray[np.int8]) -> NDArray[np.int8]:
        """List the neighbours of the cell, and the cell with another width, depth or number of strides."""
        cell, sizes = codes[: -len(_CHOICES)], codes[-len(_CHOICES) :]
        cells = self.cells.neighbor_codes(cell)
        found = [np.concatenate([cells, np.repeat(sizes[None], len(cells), axis=0)], axis=1)]
        for place, values in zip(range(len(cell), len(codes)), _CHOICES, strict=True):
            found.append(other_values(codes, range(place, place + 1), len(values)))
        return np.concatenate(found)

    def slots(self, codes: NDArray[np.int8]) -> tuple[Slot, ...]:
        """List the slots of the cell, then width, depth and strides."""
        cell = self.cells.slots(codes[: -len(_CHOICES)])
        places = range(self.code_length - len(_CHOICES), self.code_length)
        named = zip(("width", "depth", "strides"), places, _CHOICES, strict=True)
        return (*cell, *(Slot(name, place, tuple(f"{name[0]}{value}" for value in of)) for name, place, of in named))

    def sizes(self, codes: NDArray[np.int8]) -> Sizes:
        """Return the sizes of the network of one architecture."""
        width, depth, strides = (values[code] for values, code in zip(_CHOICES, codes[-len(_CHOICES) :], strict=True))
        return Sizes(width, depth, strides)

    def _format(self, codes: NDArray[np.int8]) -> str:
        cell = str(self.cells.architecture(codes[: -len(_CHOICES)])).removeprefix(f"{self.cells.name}:")
        sizes = self.sizes(codes)
        return f"{cell}@w{sizes.width}-d{sizes.depth}-s{sizes.strides}"

    def _encode(self, cell: str) -> list[int]:
        inner, at, text = cell.partition("@")
        match = _SIZES.fullmatch(text)
        example = "nasbenchasr:|conv5-d1~0|linear|skip|@w16-d2-s1"
        if match is None:
            problem = "it needs '@' and its sizes at the end" if not at else f"its sizes cannot be {text!r}"
            raise self._malformed(cell, problem, example)
        places = []
        for number, name, values in zip(match.groups(), ("width", "depth", "number of strides"), _CHOICES, strict=True):
            if number not in map(str, values):
                known = ", ".join(map(str, values))
                raise self._malformed(cell, f"its {name} is one of {known}, not {number}", example)
            places.append(values.index(int(number)))
        return [*self.cells.parse(inner).codes, *places]
