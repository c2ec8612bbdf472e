"""A whole network around a cell: one macro architecture for all spaces of cells.

Stem, three stacks of equal cells, a residual block between stacks, a head (NAS-Bench-201, section 2.2; MP-NAS,
appendix A). For classes the residual blocks halve the resolution and the head pools; for dense outputs
(fields) the resolution stays and the head works on each position.

Spaces that vary width and depth themselves have networks of their own (`trainables.networks.chains`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from mpnas_ray.checks import make_plain, require_count
from mpnas_ray.errors import TaskError
from mpnas_ray.names import no_such
from mpnas_ray.spaces import Architecture, parse_architecture
from mpnas_ray.spaces.space import SearchSpace, Sizes
from trainables.networks.blocks import ResidualBlock
from trainables.networks.cell import Cell
from trainables.networks.chains import CHAINS, ChainData, build_chain
from trainables.networks.operations import batch_norm, conv
from trainables.networks.shapes import checked_shape

__all__ = [
    "PRESETS",
    "ArchNetwork",
    "CellNetwork",
    "Macro",
    "MakeCell",
    "build_network",
    "chain_data",
    "get_macro",
    "macro_of",
]

MakeCell = Callable[[int, int], nn.Module]
"""Function from the number of channels and of dimensions, 1 or 2, to a cell."""


_NUM_STACKS = 3


@dataclass(frozen=True)
class Macro:
    """Sizes of the network around a cell.

    Attributes:
        cells_per_stack: Number of cells in each of the stacks, at least 1.
        channels: Width of each stack, of which there is at least one.
        min_side: A residual block halves the resolution only if every side keeps at least this many positions.
        whole_stacks: Number of stacks, the first ones, that have the resolution of the input.

    Raises:
        TaskError: If one of these is not a whole number of at least 1.
    """

    cells_per_stack: int = 5
    channels: tuple[int, ...] = (16, 32, 64)
    min_side: int = 1
    whole_stacks: int = 1

    def __post_init__(self) -> None:
        make_plain(self)
        require_count("cells_per_stack", self.cells_per_stack, error=TaskError)
        if not isinstance(self.channels, tuple) or not self.channels:
            raise TaskError(f"channels must be a tuple with the width of each stack, not {self.channels!r}.")
        for width in self.channels:
            require_count("Each of channels", width, error=TaskError)
        require_count("min_side", self.min_side, error=TaskError)
        require_count("whole_stacks", self.whole_stacks, error=TaskError)

    @classmethod
    def of_sizes(cls, sizes: Sizes) -> Macro:
        """Make the macro of an architecture that has sizes of its own."""
        doublings = [max(0, sizes.strides - left) for left in reversed(range(_NUM_STACKS))]
        channels = tuple(sizes.width * 2**doubling for doubling in doublings)
        return cls(sizes.depth, channels, whole_stacks=_NUM_STACKS - sizes.strides)


PRESETS: dict[str, Macro] = {
    "paper": Macro(),
    "small": Macro(cells_per_stack=1, channels=(8, 8, 8), min_side=8),
}
"""``paper``: appendix A of MP-NAS. ``small``: ours, for a search in minutes on a CPU; on 8x8 images halving the
resolution makes all cells look alike, hence its ``min_side``. The two do not rank architectures alike: never mix them
in one search."""


def get_macro(preset: str) -> Macro:
    """Return the sizes of a preset.

    Raises:
        TaskError: If there is no such preset; the message lists those there are.
    """
    if not isinstance(preset, str) or preset not in PRESETS:
        raise TaskError(no_such("preset", preset, PRESETS))
    return PRESETS[preset]


def macro_of(space: SearchSpace, codes: NDArray[np.int8], preset: str) -> Macro:
    """Return the sizes of the network of an architecture ``codes [code_length]``: its own, or those of a preset.

    Raises:
        TaskError: If there is no such preset.
    """
    macro = get_macro(preset)
    sizes = space.sizes(codes)
    return macro if sizes is None else Macro.of_sizes(sizes)


def build_network(
    arch: Architecture | str,
    input_shape: tuple[int, ...],
    num_outputs: int,
    dense: bool = False,
    preset: str = "paper",
    *,
    cells_per_stack: int | None = None,
    channels: tuple[int, ...] | None = None,
) -> nn.Module:
    """Build the network of an architecture, its weights drawn from torch's current random state.

    Args:
        arch: An architecture of any space, or its string.
        input_shape: ``(channels, length)`` or ``(channels, height, width)``.
        num_outputs: Number of classes, or of output channels if ``dense``.
        dense: Predict at every position rather than once.
        preset: Sizes, one of `PRESETS`; without influence on an architecture of `mixed-macro`.
        cells_per_stack: Number of cells of each stack, instead of the preset's or its own.
        channels: Width of each stack, instead of the preset's or its own. In a chain of blocks whose widths are part of
            the architecture, the first of them is the width that they are multiples of; that of the benchmark for the
            preset ``paper``.

    Returns:
        A module ``[batch, *input_shape] -> [batch, num_outputs]``, or ``[batch, num_outputs, *positions]`` if
        ``dense``.

    Raises:
        TaskError: If there is no such preset, a number is not a whole one of at least 1, or ``cells_per_stack`` is
            given for a network without stacks of cells.
        SearchSpaceError: If there is no such architecture.
    """
    shape = checked_shape(input_shape, num_outputs, dense)
    parsed = arch if isinstance(arch, Architecture) else parse_architecture(arch)
    macro = macro_of(parsed.space, np.asarray(parsed.codes, dtype=np.int8), preset)
    if cells_per_stack is not None:
        macro = replace(macro, cells_per_stack=cells_per_stack)
    if channels is not None:
        macro = replace(macro, channels=tuple(channels) if isinstance(channels, Sequence) else channels)
    if parsed.space.name in CHAINS:
        if cells_per_stack is not None:
            raise TaskError(f"Networks of {parsed.space.name} have no stacks of cells: leave out cells_per_stack.")
        return build_chain(parsed, chain_data(shape, num_outputs, dense, macro))
    return ArchNetwork(parsed, shape, num_outputs, dense, macro)


def chain_data(input_shape: tuple[int, ...], num_outputs: int, dense: bool, macro: Macro) -> ChainData:
    """Describe the data of a chain, whose base width is the macro's first, or the benchmark's if it is the paper's."""
    base_width = None if macro.channels == PRESETS["paper"].channels else macro.channels[0]
    return ChainData(input_shape, num_outputs, dense, base_width, macro.min_side)


class CellNetwork(nn.Module):
    """Stem, stacks of cells and head, whatever a cell is."""

    def __init__(
        self, make_cell: MakeCell, input_shape: tuple[int, ...], num_outputs: int, dense: bool, macro: Macro
    ) -> None:
        """Build the network; see `build_network`.

        Args:
            make_cell: Function that builds a cell of a number of channels and of dimensions.
            input_shape: Shape of one input.
            num_outputs: Number of classes, or of output channels if ``dense``.
            dense: Predict at every position rather than once.
            macro: Sizes.
        """
        super().__init__()
        inner, *sides = input_shape
        dimensions = len(sides)
        first, *later = macro.channels
        self.stem = nn.Sequential(conv(dimensions, inner, first, 3), batch_norm(dimensions, first))
        body: list[nn.Module] = [make_cell(first, dimensions) for _ in range(macro.cells_per_stack)]
        before = first
        for number, width in enumerate(later, start=1):
            halved = [-(-side // 2) for side in sides]
            halve = not dense and min(halved) >= macro.min_side and number >= macro.whole_stacks
            body.append(ResidualBlock(dimensions, before, width, stride=2 if halve else 1))
            body.extend(make_cell(width, dimensions) for _ in range(macro.cells_per_stack))
            before, sides = width, halved if halve else sides
        self.body = nn.Sequential(*body)
        self.activation = nn.Sequential(batch_norm(dimensions, before), nn.ReLU())
        self.head = conv(dimensions, before, num_outputs, 1, bias=True) if dense else nn.Linear(before, num_outputs)
        self.dense = dense

    def read_off(self, features: Tensor) -> Tensor:
        """Compute the outputs of what the last cell gives."""
        features = self.activation(features)
        if not self.dense:
            features = features.flatten(2).mean(dim=2)
        outputs: Tensor = self.head(features)
        return outputs


class ArchNetwork(CellNetwork):
    """The network of one architecture."""

    def __init__(
        self, arch: Architecture, input_shape: tuple[int, ...], num_outputs: int, dense: bool, macro: Macro
    ) -> None:
        super().__init__(partial(Cell, arch.graph), input_shape, num_outputs, dense, macro)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.read_off(self.body(self.stem(inputs)))
