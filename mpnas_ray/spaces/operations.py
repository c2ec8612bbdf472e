"""The vocabulary that all search spaces share: 14 kinds of node, of which 11 are operations.

The predictor sees every architecture as a graph of these nodes (MP-NAS, section on unified search spaces), so that
what it learns of a 3x3 convolution in one space serves it in the next. Kernel sizes above 3 and dilations come from
NAS-Bench-ASR.

An operation is added in two places: here, and as a module in `trainables.networks.operations`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["ATTRIBUTES", "GLOBAL", "INPUT", "KINDS", "OPERATIONS", "OUTPUT", "SKIP", "ZERO", "Descriptor", "Operation"]


@dataclass(frozen=True)
class Descriptor:
    """Numbers that describe an operation, so that operations that do similar things have similar numbers."""

    convolution: float = 0.0
    log2_kernel: float = 0.0
    dilation_above_1: float = 0.0
    linear: float = 0.0
    pooling: float = 0.0
    maximum: float = 0.0
    skip: float = 0.0
    zero: float = 0.0


@dataclass(frozen=True)
class Operation:
    """One of the operations that a cell's vertex may have.

    Attributes:
        name: ``conv<kernel size>-d<dilation>`` and so on.
        descriptor: Description of what it does, which the mixture predictor reads.
        usual_price: Seconds or joules that it usually takes, in units of a 3x3 convolution. The prices are ours: a
            convolution counts by the square root of its arithmetic, since moving data costs too and does not grow with
            the kernel.
        weights_per_channel_pair: Number of its weights for each pair of an input and an output channel.
        group: Group to which graph features assign it where a space has many operations; None for an operation that
            computes nothing.
    """

    name: str
    descriptor: Descriptor
    usual_price: float
    weights_per_channel_pair: int = 0
    group: str | None = None


def _convolution(kernel: int, dilation: int, group: str) -> Operation:
    does = Descriptor(convolution=1.0, log2_kernel=math.log2(kernel), dilation_above_1=dilation - 1.0)
    return Operation(f"conv{kernel}-d{dilation}", does, kernel / 3, kernel**2, group)


OPERATIONS: tuple[Operation, ...] = (
    _convolution(1, 1, "1x1 operations"),
    _convolution(3, 1, "conv3"),
    _convolution(5, 1, "larger convolutions"),
    _convolution(5, 2, "larger convolutions"),
    _convolution(7, 1, "larger convolutions"),
    _convolution(7, 2, "larger convolutions"),
    Operation("linear", Descriptor(convolution=1.0, linear=1.0), 1 / 3, 1, "1x1 operations"),
    Operation("avgpool", Descriptor(pooling=1.0), 0.5, group="pooling"),
    Operation("maxpool", Descriptor(pooling=1.0, maximum=1.0), 0.5, group="pooling"),
    Operation("skip", Descriptor(skip=1.0), 0.05),
    Operation("zero", Descriptor(zero=1.0), 0.0),
)
"""The operations of the mixed-ops space; ``linear`` is a 1x1 convolution without normalisation."""

KINDS: tuple[str, ...] = (*(operation.name for operation in OPERATIONS), "input", "output", "global")
"""Names of all kinds of node; a kind's number is its index here, an operation's also that in `OPERATIONS`."""

ATTRIBUTES: tuple[str, ...] = ("log2 width", "log2 stride", "log2 repeats")
"""Names of the numbers that a node has beside its kind in a space whose networks differ in width and depth. All are 0
for a node of a cell, whose networks all have one macro.

    log2 width      channels that the node puts out, over those of the space's base width
    log2 stride     factor by which the node divides each side of its input
    log2 repeats    operations of its kind that the node stands for; the first changes width and resolution
"""

SKIP = KINDS.index("skip")
ZERO = KINDS.index("zero")
INPUT = KINDS.index("input")
OUTPUT = KINDS.index("output")
GLOBAL = KINDS.index("global")
