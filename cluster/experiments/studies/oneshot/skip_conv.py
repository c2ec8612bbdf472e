"""The 64 cells of NAS-Bench-201 whose links are all skips or 3x3 convolutions.

All of them can be trained, so that the choice of a method can be compared with the best one. The cell of skips alone,
on which DARTS collapses in NAS-Bench-201, is among them. Zela et al. (ICLR 2020) study DARTS on such reduced sets of
operations.
"""

from __future__ import annotations

from mpnas_ray.spaces import Architecture, Architectures, get_space
from mpnas_ray.spaces.nasbench201 import NASBENCH201_OPERATIONS, FourStateSpace
from mpnas_ray.spaces.registry import register

__all__ = ["SKIP_CONV", "all_cells", "as_nasbench201"]

SKIP_CONV = "skip-conv3"
"""Name of the space, which is known in every process that imports this module."""

_OPERATIONS = ("skip_connect", "nor_conv_3x3")


def _make() -> FourStateSpace:
    return FourStateSpace(SKIP_CONV, {name: NASBENCH201_OPERATIONS[name] for name in _OPERATIONS})


register(SKIP_CONV, _make)


def all_cells() -> Architectures:
    """List the 64 cells, in the order of their codes: the first has skips alone."""
    return get_space(SKIP_CONV).enumerate()


def as_nasbench201(arch: Architecture) -> str:
    """Write a cell as one of NAS-Bench-201, which every process knows; it is the same network."""
    return f"nasbench201:{str(arch).partition(':')[2]}"
