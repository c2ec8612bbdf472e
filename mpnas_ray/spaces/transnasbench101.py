"""TransNAS-Bench-101, micro (Duan et al., CVPR 2021): NAS-Bench-201's four states with four operations.

A cell is written as officially, ``64-41414-a_bc_def``: base channels and macro skeleton (the same for every micro
cell), then the operation codes into states 1, 2 and 3: 0 none, 1 skip, 2 conv1x1, 3 conv3x3.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.spaces.nasbench201 import FourStateSpace

__all__ = ["TransNASBench101"]

_PREFIX = "64-41414-"
_CELL = re.compile(r"([0-3])_([0-3])([0-3])_([0-3])([0-3])([0-3])")


class TransNASBench101(FourStateSpace):
    """The 4,096 cells of TransNAS-Bench-101's micro space."""

    def __init__(self) -> None:
        """Build the space."""
        operations = {"none": "zero", "skip_connect": "skip", "conv1x1": "conv1-d1", "conv3x3": "conv3-d1"}
        super().__init__("transnasbench101", operations)

    def _format(self, codes: NDArray[np.int8]) -> str:
        a, b, c, d, e, f = codes.tolist()
        return f"{_PREFIX}{a}_{b}{c}_{d}{e}{f}"

    def _encode(self, cell: str) -> list[int]:
        match = _CELL.fullmatch(cell.removeprefix(_PREFIX)) if cell.startswith(_PREFIX) else None
        if match is None:
            names = ", ".join(f"{code} {name}" for code, name in enumerate(self.operations))
            problem = f"it needs {_PREFIX!r} and then digits of the operations {names}"
            raise self._malformed(cell, problem, f"{_PREFIX}3_12_103")
        return [int(digit) for digit in match.groups()]
