"""Architectures as rows of numbers, for predictors that know nothing of graphs (White et al. 2020, "A Study on
Encodings for Neural Architecture Search").
"""

from __future__ import annotations

import math
from functools import cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.checks import require_one_of
from mpnas_ray.errors import PredictorError
from mpnas_ray.predictors.encodings.paths import path_encoding
from mpnas_ray.spaces import OPERATIONS, Architectures, OperationGraphs, get_space
from mpnas_ray.spaces.operations import KNOWN_AS

__all__ = ["Encoding", "encode"]

Encoding = Literal["adjacency", "paths"]
"""Kinds of encodings. ``adjacency`` is the adjacency one-hot encoding: the operation of each vertex and which vertices
it reads. ``paths``: which sequences of operations lead from input to output, see
`mpnas_ray.predictors.encodings.paths`."""

_NUM_SAMPLED = 2_048


def encode(archs: Architectures, encoding: Encoding) -> NDArray[np.float32]:
    """Encode architectures as rows of zeros and ones, ``[N, F]``; F follows from the space.

    If its vertices have attributes, these come last, as steps: for each of the values that an attribute of a vertex may
    have, but for the least, whether it is at least that. So two widths are as many ones apart as there are steps
    between them.

    Raises:
        PredictorError: If there is no such encoding.
    """
    require_one_of("encoding", encoding, get_args(Encoding), error=PredictorError)
    name = archs.space.name
    encoded = path_encoding(name).encode(archs) if encoding == "paths" else _adjacency(archs.graphs())
    if not archs.space.has_attributes:
        return encoded
    place, least = _attribute_steps(name)
    steps = _inner_attributes(archs)[:, place] >= least
    return np.concatenate([encoded, steps], axis=1, dtype=np.float32)


def _adjacency(graphs: OperationGraphs) -> NDArray[np.float32]:
    operations = KNOWN_AS[graphs.kinds[:, 1:-1], : len(OPERATIONS)]  # an absent vertex has none
    sources, readers = np.triu_indices(graphs.edges.shape[1], k=1)
    edges = graphs.edges[:, sources, readers]
    return np.concatenate(
        [operations.reshape(len(edges), math.prod(operations.shape[1:])), edges], axis=1, dtype=np.float32
    )


@cache
def _attribute_steps(space: str) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """List the steps of a space's attributes: place among those of the inner vertices, and least value, ``[S]`` each.

    The values are those of 2,048 random architectures.
    """
    sampled = get_space(space).sample_many(_NUM_SAMPLED, np.random.default_rng(0))
    found = [np.unique(column)[1:] for column in _inner_attributes(sampled).T]
    return np.repeat(np.arange(len(found)), [len(steps) for steps in found]), np.concatenate(found)


def _inner_attributes(archs: Architectures) -> NDArray[np.float32]:
    """Return the attributes of all vertices between input and output side by side, ``[N, (V - 2) * A]``."""
    attributes = archs.graphs().attributes
    assert attributes is not None, archs.space.name
    return attributes[:, 1:-1].reshape(len(archs), math.prod(attributes[:, 1:-1].shape[1:]))
