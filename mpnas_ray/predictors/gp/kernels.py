"""Kernels of architectures for a Gaussian process, each a weighted sum of base kernels.

    adjacency            exp(-w x number of differences between the adjacency encodings), for several w
    paths                exp(-w x number of sequences of operations that only one of the two cells has), for several w
    weisfeiler-lehman    cosine between counts of labels after 0, 1, 2 and 3 rounds (Ru et al. 2021, NAS-BOWL)
    graph-features       exp(-w x squared distance between standardised graph features), for several w, and their
                         inner product (after GRAF, Kadlecova et al. 2024)

A sum over several w is heavy-tailed, as the rational quadratic kernel is; which w matter the weights say, that is the
measured scores. All base kernels but the inner product are 1 on the diagonal, and that one is so on average over the
space: the sum of the weights is the variance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mpnas_ray.graphs import graph_features
from mpnas_ray.predictors.encodings.vectors import Encoding, encode
from mpnas_ray.predictors.gp.weisfeiler_lehman import label_features, label_similarities, vertex_labels
from mpnas_ray.spaces import OPERATIONS, Architectures, get_space
from mpnas_ray.spaces.operations import KNOWN_AS

__all__ = ["KERNELS", "Kernel"]

Floats = NDArray[np.float64]
Rows = NDArray[Any]

_NUM_WAVES = 2_048


@dataclass(frozen=True)
class Kernel:
    """A sum of B base kernels.

    Attributes:
        num_base: Number of base kernels, B.
        describe: Function from N architectures to what the base kernels compare, an array ``[N, ...]``.
        base: Function from two such descriptions to the base kernels of each pair, ``[B, N, M]``.
        diagonal: Function from a description to the base kernels of each architecture with itself, ``[B, N]``.
        prior_functions: Function from a description, the weights ``[B]``, a number and a generator to functions drawn
            from the Gaussian process with mean 0 and the weighted sum as covariance, ``[number, N]``.
    """

    num_base: int
    describe: Callable[[Architectures], Rows]
    base: Callable[[Rows, Rows], Floats]
    diagonal: Callable[[Rows], Floats]
    prior_functions: Callable[[Rows, Floats, int, Generator], Floats]


def _ones(num_base: int) -> Callable[[Rows], Floats]:
    return lambda rows: np.ones((num_base, len(rows)))


def _squared_exponentials(first: Rows, second: Rows, rates: tuple[float, ...]) -> Floats:
    """Compute exp(-rate x squared distance) of rows ``[N, F]`` and ``[M, F]``, for each rate: ``[rates, N, M]``."""
    common = (first @ second.T).astype(np.float64)
    distances = np.square(first).sum(axis=1)[:, None] + np.square(second).sum(axis=1) - 2 * common
    return np.stack([np.exp(-rate * np.maximum(distances, 0)) for rate in rates])


def _wave_functions(rows: Rows, rates: tuple[float, ...], weights: Floats, num: int, rng: Generator) -> Floats:
    """Draw functions whose covariance is the weighted sum of `_squared_exponentials`, up to chance: ``[num, N]``.

    Sums of random waves have it (Rahimi and Recht 2007). A wave belongs to a rate as often as its weight says.
    """
    of_wave = rng.choice(rates, size=_NUM_WAVES, p=weights / weights.sum())
    frequencies = rng.standard_normal((rows.shape[1], _NUM_WAVES)) * np.sqrt(2 * of_wave)
    phases = rng.uniform(0, 2 * np.pi, _NUM_WAVES)
    waves = np.cos(rows.astype(np.float32) @ frequencies.astype(np.float32) + phases.astype(np.float32))
    heights = rng.standard_normal((num, _NUM_WAVES)) * np.sqrt(2 * weights.sum() / _NUM_WAVES)
    return np.asarray(heights.astype(np.float32) @ waves.T, dtype=np.float64)


def _exponential(encoding: Encoding, rates: tuple[float, ...]) -> Kernel:
    """Make the kernel exp(-rate x number of choices in which two encodings differ) for each rate."""
    return Kernel(
        len(rates),
        lambda archs: encode(archs, encoding),
        lambda first, second: _squared_exponentials(first, second, rates),
        _ones(len(rates)),
        lambda rows, weights, num, rng: _wave_functions(rows, rates, weights, num, rng),
    )


_ROUNDS = 3


def _label_functions(labels: Rows, weights: Floats, num: int, rng: Generator) -> Floats:
    features = [label_features(labels[:, rounds]) for rounds in range(len(weights))]
    drawn = [one @ rng.standard_normal((one.shape[1], num)) for one in features]
    return np.asarray(np.tensordot(np.sqrt(weights), drawn, axes=1).T)


_FEATURE_RATES = (0.5, 2.0)
"""Rates of the squared distance, which is 2 on average over a space. On NAS-Bench-101 single rates from 0.25 to 1, and
pairs and triples of rates from 0.125 to 3, were within 0.015 of each other in Kendall's tau."""

_NUM_REFERENCES = 4_096


def _features(archs: Architectures) -> Floats:
    """Compute graph features, and the number of operations of each kind as written, ``[N, F]``.

    What computes nothing still takes time: with these numbers Spearman's correlation with the GPU latency of
    NAS-Bench-201 rose from 0.81 to 0.97 at 100 points, and was never lower on qualities.
    """
    written = KNOWN_AS[archs.graphs().kinds, : len(OPERATIONS)].sum(axis=1)
    return np.concatenate([graph_features(archs), written], axis=1, dtype=np.float64)


@cache
def _feature_scale(space: str) -> tuple[Floats, Floats]:
    """Compute the mean of each feature over random cells of a space, and what to multiply it with: ``[F]`` each.

    After that a feature has the standard deviation 1 / sqrt(number of features that vary); those that do not are 0.
    """
    rng = np.random.default_rng(0)
    features = _features(get_space(space).sample_many(_NUM_REFERENCES, rng))
    stds = features.std(axis=0)
    varies = stds > 1e-6  # a constant that is no whole number varies by rounding
    return features.mean(axis=0), varies / np.where(varies, stds, 1.0) / np.sqrt(varies.sum())


def _standard_features(archs: Architectures) -> Floats:
    mean, factor = _feature_scale(archs.space.name)
    standard: Floats = (_features(archs) - mean) * factor
    return standard


def _feature_kernels(first: Rows, second: Rows) -> Floats:
    return np.concatenate([_squared_exponentials(first, second, _FEATURE_RATES), (first @ second.T)[None]])


def _feature_diagonal(rows: Rows) -> Floats:
    return np.concatenate([np.ones((len(_FEATURE_RATES), len(rows))), np.square(rows).sum(axis=1)[None]])


def _feature_functions(rows: Rows, weights: Floats, num: int, rng: Generator) -> Floats:
    slopes = np.sqrt(weights[-1]) * rng.standard_normal((num, rows.shape[1]))
    straight: Floats = slopes @ rows.T
    return straight + _wave_functions(rows, _FEATURE_RATES, weights[:-1], num, rng)


KERNELS: dict[str, Kernel] = {
    "adjacency": _exponential("adjacency", (0.05, 0.15, 0.5)),
    "paths": _exponential("paths", (0.03, 0.1, 0.3)),
    "weisfeiler-lehman": Kernel(
        _ROUNDS + 1,
        lambda archs: vertex_labels(archs, _ROUNDS),
        label_similarities,
        _ones(_ROUNDS + 1),
        _label_functions,
    ),
    "graph-features": Kernel(
        len(_FEATURE_RATES) + 1, _standard_features, _feature_kernels, _feature_diagonal, _feature_functions
    ),
}
"""Kernel by name."""
