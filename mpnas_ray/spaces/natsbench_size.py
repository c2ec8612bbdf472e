"""NATS-Bench's size space (Dong et al., TPAMI 2021): one network in which five widths vary.

An architecture is written as officially, ``8:16:64:24:32``: the channels of five stages in a chain, each one of eight
widths. Stages 1, 3 and 5 are cells, the same for all networks, stages 2 and 4 residual blocks that halve the
resolution; the stem is as wide as the first cell. Codes are the places of the widths in `WIDTHS`, so that the row of an
architecture in `NATSBenchSize.enumerate` is its official index.

In the graph a stage is one 3x3 convolution with attributes. It stands for the five convolutions of a cell, or for the
two of a residual block.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mpnas_ray.spaces.architecture import Architectures
from mpnas_ray.spaces.operation_graph import OperationGraphs
from mpnas_ray.spaces.operations import ATTRIBUTES, INPUT, OUTPUT
from mpnas_ray.spaces.space import SearchSpace, Slot, all_codes, other_values

__all__ = ["WIDTHS", "NATSBenchSize"]

WIDTHS = (8, 16, 24, 32, 40, 48, 56, 64)
"""Channels that a stage may have."""

_STAGES = ("cell 1", "residual block 1", "cell 2", "residual block 2", "cell 3")
_EXAMPLE = "16:32:32:64:64"

_BASE_WIDTH = 16
"""Width of the first cells of NATS-Bench's networks in the topology space, NAS-Bench-201."""
_CONVOLUTIONS = np.array([5, 2, 5, 2, 5])
_STRIDES = np.array([1, 2, 1, 2, 1])


class NATSBenchSize(SearchSpace):
    """The 32,768 networks of NATS-Bench's size space."""

    code_length = 5
    has_attributes = True

    def __init__(self) -> None:
        """Build the space."""
        super().__init__("natsbench-size", {"conv3x3": "conv3-d1"})
        self.num_architectures = len(WIDTHS) ** 5

    def operation_graphs(self, codes: NDArray[np.int8]) -> OperationGraphs:
        """Seven vertices in a chain: input, five stages, output."""
        kinds = np.empty((len(codes), 7), dtype=np.int8)
        kinds[:, 0], kinds[:, 1:6], kinds[:, 6] = INPUT, self._kinds[0], OUTPUT
        attributes = np.zeros((len(codes), 7, len(ATTRIBUTES)), dtype=np.float32)
        widths = np.log2(np.array(WIDTHS) / _BASE_WIDTH)[codes]
        attributes[:, 1:6, ATTRIBUTES.index("log2 width")] = widths
        attributes[:, 0, ATTRIBUTES.index("log2 width")] = widths[:, 0]  # the stem
        attributes[:, 1:6, ATTRIBUTES.index("log2 stride")] = np.log2(_STRIDES)
        attributes[:, 1:6, ATTRIBUTES.index("log2 repeats")] = np.log2(_CONVOLUTIONS)
        chain = np.eye(7, k=1, dtype=np.uint8)
        return OperationGraphs(kinds, np.broadcast_to(chain, (len(codes), 7, 7)), attributes)

    def widths(self, codes: NDArray[np.int8]) -> tuple[int, ...]:
        """Return the channels of the five stages of one network ``codes [code_length]``."""
        return tuple(WIDTHS[code] for code in codes.tolist())

    def sample_codes(self, n: int, rng: Generator) -> NDArray[np.int8]:
        """Draw uniformly over the networks."""
        return rng.integers(len(WIDTHS), size=(n, 5), dtype=np.int8)

    def neighbor_codes(self, codes: NDArray[np.int8]) -> NDArray[np.int8]:
        """Give one stage another width."""
        return other_values(codes, range(5), len(WIDTHS))

    def slots(self, codes: NDArray[np.int8]) -> tuple[Slot, ...]:
        """List the widths of the five stages."""
        return tuple(Slot(stage, place, tuple(map(str, WIDTHS))) for place, stage in enumerate(_STAGES))

    def enumerate(self) -> Architectures:
        """List all networks, in the order of their official indices."""
        return Architectures(self, all_codes((len(WIDTHS),) * 5))

    def _format(self, codes: NDArray[np.int8]) -> str:
        return ":".join(map(str, self.widths(codes)))

    def _encode(self, cell: str) -> list[int]:
        tokens = cell.split(":")
        if len(tokens) != 5:
            raise self._malformed(cell, f"it needs five widths with colons between, not {len(tokens)}", _EXAMPLE)
        known = {str(width): code for code, width in enumerate(WIDTHS)}
        for stage, token in zip(_STAGES, tokens, strict=True):
            if token not in known:
                raise self._malformed(
                    cell, f"the width of {stage} is {token!r}, not one of {', '.join(known)}", _EXAMPLE
                )
        return [known[token] for token in tokens]
