"""Cells of NAS-Bench-101 with a given number of vertices, as spaces of their own (Yu et al., ICLR 2020)."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mpnas_ray.spaces import Architecture, Architectures, get_space
from mpnas_ray.spaces.nasbench101 import NASBench101, topologies
from mpnas_ray.spaces.registry import register

__all__ = ["VERTICES", "FewVertices", "as_nasbench101", "different_cells", "space_name"]

VERTICES = (4, 5, 6, 7)
"""Numbers of vertices, input and output among them."""


class FewVertices(NASBench101):
    """The cells of NAS-Bench-101 with so many vertices."""

    def __init__(self, num_vertices: int) -> None:
        """Build the space.

        Args:
            num_vertices: Number of vertices, 3 to 7, input and output among them.
        """
        super().__init__()
        self.name = space_name(num_vertices)
        self._num_inner = num_vertices - 2

    def sample_codes(self, n: int, rng: Generator) -> NDArray[np.int8]:
        """Draw uniformly over the labelled cells with so many vertices."""
        bits, inner = topologies()
        chosen = rng.choice(np.flatnonzero(inner == self._num_inner), size=n)
        most = int(inner.max())
        operations = rng.integers(len(self.operations), size=(n, most), dtype=np.int8)
        operations[:, self._num_inner :] = -1
        return np.concatenate([bits[chosen], operations], axis=1)


def space_name(num_vertices: int) -> str:
    """Return the name of the space, which is known in every process that imports this module."""
    return f"nasbench101-{num_vertices}-vertices"


for number in VERTICES:
    register(space_name(number), partial(FewVertices, number))


def different_cells(num_vertices: int, num: int, seed: int = 0) -> Architectures:
    """Draw cells no two of which are isomorphic; fewer if there are not so many."""
    space = get_space(space_name(num_vertices))
    drawn = space.sample_many(50 * num, np.random.default_rng(seed))
    _, first = np.unique(drawn.canonical_keys(), return_index=True)
    return drawn[np.sort(first)[:num]]


def as_nasbench101(arch: Architecture) -> str:
    """Write a cell as one of NAS-Bench-101, which every process knows; it is the same network."""
    return f"nasbench101:{str(arch).partition(':')[2]}"
