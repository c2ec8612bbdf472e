"""Kernels of architectures for a Gaussian process, each a weighted sum of base kernels.

    adjacency            exp(-w x number of differences between the adjacency encodings), for several w
    paths                exp(-w x number of sequences of operations that only one of the two cells has), for several w
    weisfeiler-lehman    cosine between counts of labels after 0, 1, 2 and 3 rounds (Ru et al. 2021, NAS-BOWL)

A sum over several w is heavy-tailed, as the rational quadratic kernel is; which w matter the weights say, that is the
measured scores. Base kernels are 1 on the diagonal, so that the sum of the weights is the variance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mpnas_ray.predictors.encodings import Encoding, encode
from mpnas_ray.predictors.weisfeiler_lehman import label_features, label_similarities, vertex_labels
from mpnas_ray.spaces import Architectures

__all__ = ["KERNELS", "Kernel"]

Floats = NDArray[np.float64]
Rows = NDArray[Any]

_NUM_WAVES = 2_048


@dataclass(frozen=True)
class Kernel:
    """B base kernels.

    Attributes:
        num_base: B.
        describe: N architectures to what the base kernels compare, an array ``[N, ...]``.
        base: Two such descriptions to the base kernels of each pair, ``[B, N, M]``; 1 for equal ones.
        prior_functions: A description, the weights ``[B]``, a number and a generator to functions drawn from the
            Gaussian process with mean 0 and the weighted sum as covariance, ``[number, N]``.
    """

    num_base: int
    describe: Callable[[Architectures], Rows]
    base: Callable[[Rows, Rows], Floats]
    prior_functions: Callable[[Rows, Floats, int, Generator], Floats]


def _exponential(encoding: Encoding, rates: tuple[float, ...]) -> Kernel:
    """exp(-rate x number of places where two encodings differ), for each rate."""

    def base(first: Rows, second: Rows) -> Floats:
        common = (first @ second.T).astype(np.float64)
        differences = first.sum(axis=1)[:, None] + second.sum(axis=1) - 2 * common
        return np.stack([np.exp(-rate * differences) for rate in rates])

    def functions(rows: Rows, weights: Floats, num: int, rng: Generator) -> Floats:
        # The number of differences is the squared distance, so these are squared exponential kernels: sums of random
        # waves have them as covariance (Rahimi and Recht 2007). A wave belongs to a rate as often as its weight says.
        of_wave = rng.choice(rates, size=_NUM_WAVES, p=weights / weights.sum())
        frequencies = rng.standard_normal((rows.shape[1], _NUM_WAVES)) * np.sqrt(2 * of_wave)
        phases = rng.uniform(0, 2 * np.pi, _NUM_WAVES)
        waves = np.cos(rows @ frequencies.astype(np.float32) + phases.astype(np.float32))
        heights = rng.standard_normal((num, _NUM_WAVES)) * np.sqrt(2 * weights.sum() / _NUM_WAVES)
        return np.asarray(heights.astype(np.float32) @ waves.T, dtype=np.float64)

    return Kernel(len(rates), lambda archs: encode(archs, encoding), base, functions)


_ROUNDS = 3


def _label_functions(labels: Rows, weights: Floats, num: int, rng: Generator) -> Floats:
    features = [label_features(labels[:, rounds]) for rounds in range(len(weights))]
    drawn = [one @ rng.standard_normal((one.shape[1], num)) for one in features]
    return np.asarray(np.tensordot(np.sqrt(weights), drawn, axes=1).T)


KERNELS: dict[str, Kernel] = {
    "adjacency": _exponential("adjacency", (0.05, 0.15, 0.5)),
    "paths": _exponential("paths", (0.03, 0.1, 0.3)),
    "weisfeiler-lehman": Kernel(
        _ROUNDS + 1, lambda archs: vertex_labels(archs, _ROUNDS), label_similarities, _label_functions
    ),
}
"""By name."""
