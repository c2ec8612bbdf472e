"""The Weisfeiler-Lehman kernel of cells (Shervashidze et al. 2011; for NAS: NAS-BOWL, Ru et al. 2021).

A vertex's label is its operation at first, with its attributes if it has any; then, again and again, its label together
with those of all vertices that it reads. So after h rounds it stands for the operations within h steps before it. Two
cells are as similar as the cosine between the counts of their labels.

A cell is its vertices on a path from input to output, and the input and output themselves: what a zero cuts off does
not count, a skip is an operation like others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.spaces import Architectures

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["label_features", "label_similarities", "vertex_labels"]

Labels = NDArray[np.uint64]

_NOWHERE = np.uint64(0)


def vertex_labels(archs: Architectures, num_rounds: int) -> Labels:
    """Label N cells of V vertices after 0, 1, ... rounds: ``[N, num_rounds + 1, V]``, 0 where there is no vertex.

    They are hashes of 64 bits, equal where two vertices are alike, in whatever cells.
    """
    graphs = archs.graphs()
    there = graphs.live().copy()
    there[:, [0, -1]] = True
    reads = (graphs.edges * (there[:, :, None] & there[:, None, :])).transpose(0, 2, 1).astype(np.uint64)
    labels = np.where(there, _scattered(graphs.kinds.astype(np.uint64) ^ graphs.attribute_words()), _NOWHERE)
    rounds = [labels]
    for _ in range(num_rounds):
        read = (reads @ _scattered(labels)[..., None])[..., 0]  # a sum of hashes stands for what was added up
        labels = np.where(there, _scattered(labels ^ _scattered(read)), _NOWHERE)
        rounds.append(labels)
    return np.stack(rounds, axis=1)


def label_similarities(first: Labels, second: Labels) -> NDArray[np.float64]:
    """Compute cosines between the label counts of N cells and of M cells after each round: ``[num_rounds + 1, N, M]``.

    Fastest where ``first`` is the shorter one.

    Args:
        first: Labels of `vertex_labels`, ``[N, num_rounds + 1, V]``.
        second: Labels likewise, ``[M, num_rounds + 1, V]``.
    """
    found = np.empty((first.shape[1], len(first), len(second)))
    for rounds, cosines in enumerate(found):
        vocabulary = np.unique(first[:, rounds])
        known = label_features(first[:, rounds], vocabulary).toarray()
        cosines[:] = (label_features(second[:, rounds], vocabulary) @ known.T).T
    return found


def label_features(labels: Labels, vocabulary: Labels | None = None) -> csr_array:
    """Count the labels ``[N, V]`` of N cells, divided by the length of the vector of all counts of the cell.

    Args:
        labels: After one number of rounds.
        vocabulary: F labels, ascending; None for all that occur. Others are left out.

    Returns:
        Sparse, ``[N, F]``.
    """
    from scipy.sparse import csr_array

    if vocabulary is None:
        vocabulary = np.unique(labels)
    places = np.searchsorted(vocabulary, labels).clip(max=len(vocabulary) - 1)
    cells, vertices = np.nonzero((vocabulary[places] == labels) & (labels != _NOWHERE))
    # The square of the length is the number of pairs of vertices with equal labels.
    equal = (labels[:, :, None] == labels[:, None, :]) & (labels != _NOWHERE)[:, :, None]
    lengths = np.sqrt(equal.sum(axis=(1, 2)))
    return csr_array((1 / lengths[cells], (cells, places[cells, vertices])), shape=(len(labels), len(vocabulary)))


def _scattered(words: Labels) -> Labels:
    """Scatter 64-bit words by a bijection (Steele et al. 2014, the finaliser of SplittableRandom)."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    scattered: Labels = words ^ (words >> np.uint64(31))
    return scattered
