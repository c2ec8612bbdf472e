"""The vocabulary that all search spaces share: 14 kinds of node, of which 11 are operations, and our extensions.

The predictor sees every architecture as a graph of these nodes (MP-NAS, section on unified search spaces), so that
what it learns of a 3x3 convolution in one space serves it in the next. Kernel sizes above 3 and dilations come from
NAS-Bench-ASR.

An operation is added in two places: here, to `EXTENSIONS`, and as a module in `trainables.networks.operations`.
Predictors and their files have the width of the 14 kinds. They read an extension as its relatives among these
(`KNOWN_AS`), so that a new operation changes no prediction for architectures without it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ATTRIBUTES",
    "EXTENSIONS",
    "GLOBAL",
    "INPUT",
    "KINDS",
    "KNOWN_AS",
    "NUM_KNOWN",
    "OPERATIONS",
    "OUTPUT",
    "SKIP",
    "ZERO",
    "Descriptor",
    "Operation",
]


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
        relatives: Names of the operations of the mixed-ops space that it is most like, if it is none of them.
    """

    name: str
    descriptor: Descriptor
    usual_price: float
    weights_per_channel_pair: int = 0
    group: str | None = None
    relatives: tuple[str, ...] = ()


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

EXTENSIONS: tuple[Operation, ...] = (
    Operation(
        "fourier",
        Descriptor(convolution=1.0, log2_kernel=math.log2(7), dilation_above_1=1.0, linear=1.0),
        8 / 3,
        49,
        "larger convolutions",
        ("conv7-d2", "linear"),
    ),
)
"""Operations of ours that the mixed-ops space does not have. ``fourier`` is the layer of Fourier neural operators: a
map of the lowest frequencies of each axis, which sees the whole input, beside a pointwise linear map. It is described
as the convolution of the largest receptive field and as a linear map at once, and usually costs as much as both. Its
weights are counted in 2-D."""

_KNOWN = (*(operation.name for operation in OPERATIONS), "input", "output", "global")

KINDS: tuple[str, ...] = (*_KNOWN, *(operation.name for operation in EXTENSIONS))
"""Names of all kinds of node; a kind's number is its index here, for one of `OPERATIONS` also that in there."""

NUM_KNOWN = len(_KNOWN)
"""Number of the kinds that are no extension, 14: they come first in `KINDS`."""

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


def _known_as() -> NDArray[np.bool_]:
    known = np.concatenate([np.eye(NUM_KNOWN, dtype=bool), np.zeros((len(EXTENSIONS) + 1, NUM_KNOWN), dtype=bool)])
    for row, operation in enumerate(EXTENSIONS, NUM_KNOWN):
        known[row, [KINDS.index(relative) for relative in operation.relatives]] = True
    return known


KNOWN_AS = _known_as()
"""Kinds of the first 14 as which each kind is read, bool ``[len(KINDS) + 1, 14]``: itself, or for an extension its
relatives; the last row, for -1, is that of no node at all."""
