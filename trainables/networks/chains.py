"""Networks of the spaces that vary width and depth themselves: chains of blocks, each as its benchmark builds it.

A chain is planned first, for many architectures at once, and then built, so that sizes of all networks of a space can
be counted without building one. Widths are those of the architecture times a base width, by default the benchmark's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from mpnas_ray.spaces import Architecture, Architectures
from mpnas_ray.spaces.vertex_sizes import attribute
from trainables.networks.blocks import ResidualBlock
from trainables.networks.operations import batch_norm, conv, relu_conv_norm

__all__ = ["CHAINS", "Chain", "ChainData", "build_block", "build_chain", "plan_chains"]


@dataclass(frozen=True)
class ChainData:
    """The data that chains are built for; see `build_network`.

    Attributes:
        input_shape: Shape of one input.
        num_outputs: Number of classes, or of output channels if ``dense``.
        dense: Predict at every position; the resolution then stays.
        base_width: Channels that an architecture's widths are multiples of; None for those of the benchmark.
        min_side: A block halves the resolution only if every side keeps at least this many positions.
    """

    input_shape: tuple[int, ...]
    num_outputs: int
    dense: bool
    base_width: int | None
    min_side: int

    @property
    def sides(self) -> tuple[int, ...]:
        """Length of each side of an input."""
        return self.input_shape[1:]

    def sides_after(self, halvings: int) -> tuple[int, ...]:
        """Return the length of each side after so many halvings, each rounded up."""
        return tuple(-(-side // 2**halvings) for side in self.sides)

    @property
    def most_halvings(self) -> int:
        """Return how often the resolution may be halved; 8 where more are possible, as no network halves so often."""
        if self.dense:
            return 0
        return next((n for n in range(8) if min(self.sides_after(n + 1)) < self.min_side), 8)


@dataclass(frozen=True)
class Chain:
    """The way in which the networks of a space are built.

    Attributes:
        base_width: Channels that the benchmark's widths are multiples of.
        stem: Block that reads the input.
        stem_halvings: Number of times that the stem halves the resolution.
        stages: Block of each stage, in their order.
        head: Block that computes the outputs.
    """

    base_width: int
    stem: str
    stem_halvings: int
    stages: tuple[str, ...]
    head: str


CHAINS: dict[str, Chain] = {
    "natsbench-size": Chain(16, "stem", 0, ("cell", "residual", "cell", "residual", "cell"), "norm and head"),
    "transnasbench101-macro": Chain(64, "deep stem", 2, ("module",) * 6, "head"),
}
"""Chain by the name of the space."""

_BLOCKS = ("stem", "deep stem", "cell", "residual", "module", "head", "norm and head")


def plan_chains(archs: Architectures, data: ChainData) -> NDArray[np.int64]:
    """Plan the networks of N architectures of one of the spaces in `CHAINS`.

    Returns:
        ``[N, S + 2, 5]``: for stem, each of S stages and head the number of its block, the channels that it reads and
        puts out, how often the resolution was halved before it, and how often it halves it. The rest of a row is -1
        where an architecture has no such stage.
    """
    chain = CHAINS[archs.space.name]
    graphs = archs.graphs()
    there = graphs.kinds[:, 1:-1] >= 0
    base = chain.base_width if data.base_width is None else data.base_width
    widths = np.maximum(np.rint(base * np.exp2(attribute(graphs, "log2 width"))), 1).astype(np.int64)
    wanted = attribute(graphs, "log2 stride")[:, 1:-1].astype(np.int64)
    most = data.most_halvings
    plan = np.full((len(archs), len(chain.stages) + 2, 5), -1, dtype=np.int64)
    halvings = np.full(len(archs), min(chain.stem_halvings, most))
    plan[:, 0] = np.stack(
        [
            np.full(len(archs), _BLOCKS.index(chain.stem)),
            np.full(len(archs), data.input_shape[0]),
            widths[:, 0],
            np.zeros(len(archs)),
            halvings,
        ],
        axis=1,
    )
    before = widths[:, 0]
    for stage, block in enumerate(chain.stages):
        halves = np.minimum(wanted[:, stage], most - halvings)
        number = np.full(len(archs), _BLOCKS.index(block))
        row = np.stack([number, before, widths[:, stage + 1], halvings, halves], axis=1)
        plan[:, stage + 1] = np.where(there[:, stage, None], row, -1)
        before = np.where(there[:, stage], widths[:, stage + 1], before)
        halvings = halvings + np.where(there[:, stage], halves, 0)
    head = np.full(len(archs), _BLOCKS.index(chain.head))
    outputs = np.full(len(archs), data.num_outputs)
    plan[:, -1] = np.stack([head, before, outputs, halvings, np.zeros(len(archs))], axis=1)
    return plan


def build_chain(arch: Architecture, data: ChainData) -> nn.Module:
    """Build the network of an architecture of one of the spaces in `CHAINS`."""
    (plan,) = plan_chains(Architectures.of([arch]), data).tolist()
    return nn.Sequential(*(build_block(row, data) for row in plan if row[0] >= 0))


def build_block(row: Sequence[int], data: ChainData) -> nn.Module:
    """Build the block of one row of a plan."""
    block, inner, outer, _, halvings = row
    return _BUILDERS[_BLOCKS[block]](len(data.sides), inner, outer, halvings, data.dense)


class _Cell(nn.Module):
    """The cell of NATS-Bench's size space: four states, 3x3 convolutions between all but the first and the last."""

    def __init__(self, dimensions: int, inner: int, outer: int) -> None:
        super().__init__()
        self.from_input = nn.ModuleList(relu_conv_norm(dimensions, inner, outer, 3) for _ in range(2))
        self.between = nn.ModuleList(relu_conv_norm(dimensions, outer, outer, 3) for _ in range(3))
        skip = [] if inner == outer else [conv(dimensions, inner, outer, 1), batch_norm(dimensions, outer)]
        self.skip = nn.Sequential(*skip)

    def forward(self, inputs: Tensor) -> Tensor:
        first = self.from_input[0](inputs)
        second = self.from_input[1](inputs) + self.between[0](first)
        outputs: Tensor = self.skip(inputs) + self.between[1](first) + self.between[2](second)
        return outputs


class _Head(nn.Module):
    """Outputs of the last stage, at each position or of the mean over all of them."""

    def __init__(self, dimensions: int, inner: int, outer: int, dense: bool, *, norm: bool) -> None:
        super().__init__()
        self.activation = nn.Sequential(*([batch_norm(dimensions, inner), nn.ReLU()] if norm else []))
        self.head = conv(dimensions, inner, outer, 1, bias=True) if dense else nn.Linear(inner, outer)
        self.dense = dense

    def forward(self, inputs: Tensor) -> Tensor:
        features = self.activation(inputs)
        outputs: Tensor = self.head(features if self.dense else features.flatten(2).mean(dim=2))
        return outputs


def _deep_stem(dimensions: int, inner: int, outer: int, halvings: int) -> nn.Module:
    """Build TransNAS-Bench-101's stem: two convolutions, each of which halves the resolution if it may."""
    middle = max(outer // 2, 1)
    return nn.Sequential(
        conv(dimensions, inner, middle, 3, stride=1 + (halvings > 0)),
        batch_norm(dimensions, middle),
        relu_conv_norm(dimensions, middle, outer, 3, stride=1 + (halvings > 1)),
    )


def _module(dimensions: int, inner: int, outer: int, halvings: int) -> nn.Module:
    """Build TransNAS-Bench-101's module: two basic blocks, the first of which changes width and resolution."""
    return nn.Sequential(
        ResidualBlock(dimensions, inner, outer, stride=1 + halvings, shortcut_with_norm=True),
        ResidualBlock(dimensions, outer, outer, stride=1, shortcut_with_norm=True),
    )


_Builder = Callable[[int, int, int, int, bool], nn.Module]
"""Function from dimensions, channels read and put out, number of halvings and ``dense`` to a module."""

_BUILDERS: dict[str, _Builder] = {
    "stem": lambda dimensions, inner, outer, halvings, dense: nn.Sequential(
        conv(dimensions, inner, outer, 3), batch_norm(dimensions, outer)
    ),
    "deep stem": lambda dimensions, inner, outer, halvings, dense: _deep_stem(dimensions, inner, outer, halvings),
    "cell": lambda dimensions, inner, outer, halvings, dense: _Cell(dimensions, inner, outer),
    "residual": lambda dimensions, inner, outer, halvings, dense: ResidualBlock(
        dimensions, inner, outer, stride=1 + halvings
    ),
    "module": lambda dimensions, inner, outer, halvings, dense: _module(dimensions, inner, outer, halvings),
    "head": lambda dimensions, inner, outer, halvings, dense: _Head(dimensions, inner, outer, dense, norm=False),
    "norm and head": lambda dimensions, inner, outer, halvings, dense: _Head(
        dimensions, inner, outer, dense, norm=True
    ),
}
