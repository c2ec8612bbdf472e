"""The vocabulary that all search spaces share: 14 kinds of node, of which 11 are operations.

The predictor sees every architecture as a graph of these nodes (MP-NAS, section on unified search spaces), so that
what it learns of a 3x3 convolution in one space serves it in the next. Kernel sizes above 3 and dilations come from
NAS-Bench-ASR.
"""

from __future__ import annotations

__all__ = ["GLOBAL", "INPUT", "KINDS", "OPERATIONS", "OUTPUT", "SKIP", "ZERO"]

OPERATIONS: tuple[str, ...] = (
    "conv1-d1",
    "conv3-d1",
    "conv5-d1",
    "conv5-d2",
    "conv7-d1",
    "conv7-d2",
    "linear",
    "avgpool",
    "maxpool",
    "skip",
    "zero",
)
"""The mixed-ops operations, ``conv<kernel size>-d<dilation>`` and so on; a kind's number is its place in `KINDS`."""

KINDS: tuple[str, ...] = (*OPERATIONS, "input", "output", "global")

SKIP = KINDS.index("skip")
ZERO = KINDS.index("zero")
INPUT = KINDS.index("input")
OUTPUT = KINDS.index("output")
GLOBAL = KINDS.index("global")
