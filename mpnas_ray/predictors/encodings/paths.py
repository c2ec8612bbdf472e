"""The path encoding of cells (White et al. 2021, BANANAS): the sequences of operations from input to output.

A cell becomes a row of zeros and ones, one for each sequence of operations: 1 where some path from the cell's input to
its output runs through exactly these operations. A zero cuts a path, a skip is an operation like others, an edge
straight from input to output is the empty sequence. Which vertices a path runs through does not count, so isomorphic
cells have equal rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.spaces import KINDS, Architectures, OperationGraphs, get_space
from mpnas_ray.spaces.operation_graph import ABSENT
from mpnas_ray.spaces.operations import ZERO

__all__ = ["MAX_PATHS", "PathEncoding", "path_encoding"]

MAX_PATHS = 256
"""Longest row. TransNAS-Bench-101 (39 sequences), NAS-Bench-201 (84) and NAS-Bench-ASR (228) stay below it,
NAS-Bench-101 (364) and the mixed space (thousands) are truncated."""

_NUM_SAMPLED = 20_000
_BITS = 4  # a kind and one, at most 15


@dataclass(frozen=True, eq=False)
class PathEncoding:
    """The path features of one space.

    Attributes:
        words: int64 ``[P]``, ascending; each is a sequence of operations, 4 bits for the kind and 1 of each, the last
            operation in the lowest bits.
    """

    words: NDArray[np.int64]

    def encode(self, archs: Architectures) -> NDArray[np.float32]:
        """Encode cells as rows of zeros and ones, ``[N, P]``; paths whose sequence is no feature are left out."""
        rows = np.zeros((len(archs), len(self.words)), dtype=np.float32)
        for members, words in _paths(archs.graphs()):
            places = np.searchsorted(self.words, words).clip(max=len(self.words) - 1)
            known = np.equal(self.words[places], words)
            rows[members[known], places[known]] = 1
        return rows

    def names(self) -> list[tuple[str, ...]]:
        """Operations of each sequence, by their names in `KINDS`."""
        digits = 2**_BITS
        return [
            tuple(
                KINDS[word // digits**place % digits - 1] for place in reversed(range(-(-word.bit_length() // _BITS)))
            )
            for word in self.words.tolist()
        ]


@cache
def path_encoding(space: str) -> PathEncoding:
    """Return the encoding of a space, always the same.

    Its features are the sequences that occur in the space, at most the `MAX_PATHS` that most cells have; the paper
    truncates likewise, as long sequences are rare and say little. A space that is too large to list is judged by 20,000
    random cells.
    """
    of = get_space(space)
    archs = of.enumerate() if of.enumerable else of.sample_many(_NUM_SAMPLED, np.random.default_rng(0))
    found = list(_paths(archs.graphs()))
    pairs = np.concatenate([np.stack([words, members]) for members, words in found], axis=1)
    words, counts = np.unique(np.unique(pairs, axis=1)[0], return_counts=True)
    most_frequent = np.argsort(-counts, kind="stable")[:MAX_PATHS]
    return PathEncoding(np.sort(words[most_frequent]))


def _paths(graphs: OperationGraphs) -> Iterator[tuple[NDArray[np.intp], NDArray[np.int64]]]:
    """Yield every path of vertices from input to output: the cells that have it, and its word in each of them."""
    last = graphs.kinds.shape[1] - 1
    carries = (graphs.kinds != ZERO) & (graphs.kinds != ABSENT)
    letters = graphs.kinds.astype(np.int64) + 1
    edges = graphs.edges.astype(bool)
    anywhere = np.asarray(edges.any(axis=0))
    begun = [(0, np.arange(len(edges)), np.zeros(len(edges), dtype=np.int64))]
    while begun:
        vertex, members, words = begun.pop()
        for reader in np.flatnonzero(anywhere[vertex]).tolist():
            there = edges[members, vertex, reader] & carries[members, reader]
            if reader == last:
                yield members[there], words[there]
            elif there.any():
                reached = members[there]
                begun.append((reader, reached, words[there] << _BITS | letters[reached, reader]))
