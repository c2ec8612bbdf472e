"""TransNAS-Bench-101, macro (Duan et al., CVPR 2021): residual networks of four to six modules.

An architecture is written as officially, ``64-<digits>-basic``: base channels, a digit for each module, the kind of
block. A module is two basic residual blocks, the first of which may change width and resolution:

    1   keeps both                        3   halves the resolution
    2   doubles the channels              4   does both

One to three modules double the channels, and one to four halve the resolution: 3,256 networks. Codes are the digits
minus 1, then -1 for each module that is not there.

In the graph a module is one 3x3 convolution with attributes, which stands for its four convolutions.
"""

from __future__ import annotations

import re
from functools import cached_property

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mpnas_ray.spaces.architecture import Architectures
from mpnas_ray.spaces.operation_graph import ABSENT, OperationGraphs
from mpnas_ray.spaces.operations import ATTRIBUTES, INPUT, OUTPUT
from mpnas_ray.spaces.space import SearchSpace, Slot, all_codes

__all__ = ["BASE_WIDTH", "TransNASBench101Macro", "module_changes"]

BASE_WIDTH = 64
"""Channels that the stem puts out."""

_CELL = re.compile(rf"{BASE_WIDTH}-([1-4]{{4,6}})-basic")
_NUM_MODULES = (4, 5, 6)
_DOUBLINGS, _HALVINGS = (1, 3), (1, 4)
"""Fewest and most modules that double the channels, and that halve the resolution."""
_CONVOLUTIONS = 4


def module_changes(codes: NDArray[np.int8]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Say which modules double the channels, and which halve the resolution; absent ones do neither."""
    return (codes == 1) | (codes == 3), codes >= 2


class TransNASBench101Macro(SearchSpace):
    """The 3,256 networks of TransNAS-Bench-101's macro space."""

    code_length = max(_NUM_MODULES)
    num_architectures = 3_256
    has_attributes = True

    def __init__(self) -> None:
        """Build the space."""
        super().__init__("transnasbench101-macro", {"conv3x3": "conv3-d1"})

    def operation_graphs(self, codes: NDArray[np.int8]) -> OperationGraphs:
        """Eight vertices in a chain: input, four to six modules, output."""
        there = codes != ABSENT
        doubled, halved = module_changes(codes)
        kinds = np.empty((len(codes), 8), dtype=np.int8)
        kinds[:, 0], kinds[:, 1:7], kinds[:, 7] = INPUT, np.where(there, self._kinds[0], ABSENT), OUTPUT
        attributes = np.zeros((len(codes), 8, len(ATTRIBUTES)), dtype=np.float32)
        attributes[:, 1:7, ATTRIBUTES.index("log2 width")] = doubled.cumsum(axis=1) * there
        attributes[:, 1:7, ATTRIBUTES.index("log2 stride")] = halved
        attributes[:, 1:7, ATTRIBUTES.index("log2 repeats")] = np.log2(_CONVOLUTIONS) * there
        edges = np.zeros((len(codes), 8, 8), dtype=np.uint8)
        module = np.arange(6)
        edges[:, module, module + 1] = there
        edges[np.arange(len(codes)), there.sum(axis=1), 7] = 1
        return OperationGraphs(kinds, edges, attributes)

    def sample_codes(self, n: int, rng: Generator) -> NDArray[np.int8]:
        """Draw uniformly over the networks."""
        everything = self._everything
        return everything[rng.integers(len(everything), size=n)]

    def neighbor_codes(self, codes: NDArray[np.int8]) -> NDArray[np.int8]:
        """Replace, add or take away one module."""
        modules = codes[codes != ABSENT].tolist()
        replaced = [[*modules[:at], new, *modules[at + 1 :]] for at in range(len(modules)) for new in range(4)]
        longer = [[*modules[:at], new, *modules[at:]] for at in range(len(modules) + 1) for new in range(4)]
        shorter = [[*modules[:at], *modules[at + 1 :]] for at in range(len(modules))]
        fitting = [found for found in (*replaced, *longer, *shorter) if found != modules and len(found) in _NUM_MODULES]
        padded = np.array([[*found, *[ABSENT] * (6 - len(found))] for found in fitting], dtype=np.int8)
        return np.unique(padded[_allowed(padded)], axis=0)

    def slots(self, codes: NDArray[np.int8]) -> tuple[Slot, ...]:
        """List nothing: which modules may be replaced depends on the others."""
        return ()

    def enumerate(self) -> Architectures:
        """List all networks, shorter ones first, then in the order of their digits."""
        return Architectures(self, self._everything.copy())

    @cached_property
    def _everything(self) -> NDArray[np.int8]:
        parts = []
        for num_modules in _NUM_MODULES:
            modules = all_codes((4,) * num_modules)
            parts.append(np.pad(modules, ((0, 0), (0, 6 - num_modules)), constant_values=ABSENT))
        padded = np.concatenate(parts)
        return padded[_allowed(padded)]

    def _format(self, codes: NDArray[np.int8]) -> str:
        digits = "".join(str(code + 1) for code in codes.tolist() if code != ABSENT)
        return f"{BASE_WIDTH}-{digits}-basic"

    def _encode(self, cell: str) -> list[int]:
        example = f"{BASE_WIDTH}-41231-basic"
        match = _CELL.fullmatch(cell)
        if match is None:
            problem = f"it needs '{BASE_WIDTH}-', four to six digits from 1 to 4, and '-basic'"
            raise self._malformed(cell, problem, example)
        codes = [int(digit) - 1 for digit in match[1]]
        codes += [ABSENT] * (6 - len(codes))
        if not _allowed(np.array([codes], dtype=np.int8))[0]:
            problem = "one to three modules double the channels (2 and 4), one to four halve the resolution (3 and 4)"
            raise self._malformed(cell, problem, example)
        return codes


def _allowed(codes: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Say which networks ``[N, 6]`` have as many changes of width and resolution as the space allows, ``[N]``."""
    allowed = np.ones(len(codes), dtype=np.bool_)
    for changes, (fewest, most) in zip(module_changes(codes), (_DOUBLINGS, _HALVINGS), strict=True):
        number = changes.sum(axis=1)
        allowed &= (number >= fewest) & (number <= most)
    return allowed
