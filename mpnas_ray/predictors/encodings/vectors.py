"""Architectures as rows of numbers, for predictors that know nothing of graphs (White et al. 2020, "A Study on
Encodings for Neural Architecture Search").
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.checks import require_one_of
from mpnas_ray.errors import PredictorError
from mpnas_ray.predictors.encodings.paths import path_encoding
from mpnas_ray.spaces import OPERATIONS, Architectures
from mpnas_ray.spaces.operations import KNOWN_AS

__all__ = ["Encoding", "encode"]

Encoding = Literal["adjacency", "paths"]
"""Kinds of encodings. ``adjacency`` is the adjacency one-hot encoding: the operation of each vertex and which vertices
it reads. ``paths``: which sequences of operations lead from input to output, see
`mpnas_ray.predictors.encodings.paths`."""


def encode(archs: Architectures, encoding: Encoding) -> NDArray[np.float32]:
    """Encode architectures as rows of zeros and ones, ``[N, F]``; F follows from the space.

    Raises:
        PredictorError: If there is no such encoding.
    """
    require_one_of("encoding", encoding, get_args(Encoding), error=PredictorError)
    if encoding == "paths":
        return path_encoding(archs.space.name).encode(archs)
    graphs = archs.graphs()
    operations = KNOWN_AS[graphs.kinds[:, 1:-1], : len(OPERATIONS)]  # an absent vertex has none
    sources, readers = np.triu_indices(graphs.edges.shape[1], k=1)
    edges = graphs.edges[:, sources, readers]
    return np.concatenate(
        [operations.reshape(len(archs), math.prod(operations.shape[1:])), edges], axis=1, dtype=np.float32
    )
