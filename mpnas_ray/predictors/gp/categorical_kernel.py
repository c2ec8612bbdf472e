"""A kernel on rows of choices, and functions drawn from its Gaussian process.

k(x, y) = product over choices i of exp(-w_i [x_i != y_i])

A choice with a large w_i tells architectures apart, one with w_i = 0 does not matter: w_i is an inverse length scale.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

__all__ = ["differing", "kernel", "prior_functions"]

_LARGEST_GRID = 100_000
_NUM_FEATURES = 2_048
_BLOCK = 16  # functions on the whole grid at once: at most 13 MB

Codes = NDArray[np.int8]
Floats = NDArray[np.float64]


def differing(codes: Codes) -> Floats:
    """Find the choices in which each pair of N rows ``[N, L]`` differs: 0 or 1, ``[L, N, N]``."""
    columns = codes.T
    return np.asarray(columns[:, :, None] != columns[:, None, :], dtype=np.float64)


def kernel(first: Codes, second: Codes, weights: Floats) -> Floats:
    """Compute the kernel of each row of ``first [N, L]`` with each of ``second [M, L]``, ``[N, M]``.

    Args:
        first: Codes; -1, an absent one, is a value like others.
        second: Codes.
        weights: w, ``[L]``, not negative.
    """
    (ones, others), sizes = _one_hot(first, second)
    # The sum of w_i over differing choices is the sum of all w_i less that over agreeing ones: one product of matrices.
    exponents = (ones * np.repeat(weights, sizes)) @ others.T - weights.sum()
    return np.asarray(np.exp(exponents, out=exponents), dtype=np.float64)


def prior_functions(codes: Codes, weights: Floats, num_functions: int, rng: Generator) -> Floats:
    """Draw functions of the Gaussian process with mean 0 and kernel k at N rows of choices: ``[num_functions, N]``.

    Where the grid of all choices has at most 100,000 points the functions are exact: on the grid the kernel is a
    Kronecker product of one small matrix a choice, and so is its root. Elsewhere they are sums of 2,048 random
    features, whose covariance is k on average: a feature looks at choice i with probability 1 - exp(-w_i), and is the
    product of one random sign for each value of each choice that it looks at. All functions of one call share the
    features.
    """
    shifted = (codes - codes.min(axis=0)).astype(np.intp)
    if math.prod((shifted.max(axis=0) + 1).tolist()) <= _LARGEST_GRID:
        return _on_grid(shifted, weights, num_functions, rng)
    return _by_features(codes, weights, num_functions, rng)


def _on_grid(places: NDArray[np.intp], weights: Floats, num_functions: int, rng: Generator) -> Floats:
    sizes = tuple((places.max(axis=0) + 1).tolist())
    rows = np.ravel_multi_index(tuple(places.T), sizes)
    found = np.empty((num_functions, len(rows)))
    for start in range(0, num_functions, _BLOCK):
        block = found[start : start + _BLOCK]
        block[:] = _whole_grid(sizes, weights, len(block), rng)[:, rows]
    return found


def _whole_grid(sizes: tuple[int, ...], weights: Floats, num_functions: int, rng: Generator) -> Floats:
    """Draw functions on the whole grid, ``[num_functions, product of sizes]``."""
    values = rng.standard_normal((num_functions, *sizes))
    for choice, (size, weight) in enumerate(zip(sizes, weights.tolist(), strict=True), start=1):
        # The matrix of a choice is 1 on the diagonal and exp(-w) elsewhere: its eigenvalue is 1 - exp(-w), and larger
        # by size * exp(-w) for the constant vector.
        varying = math.sqrt(-math.expm1(-weight))
        constant = math.sqrt(varying**2 + size * math.exp(-weight))
        values = varying * values + (constant - varying) * values.mean(axis=choice, keepdims=True)
    return np.asarray(values.reshape(num_functions, -1), dtype=np.float64)


def _by_features(codes: Codes, weights: Floats, num_functions: int, rng: Generator) -> Floats:
    (ones,), sizes = _one_hot(codes)
    looks = rng.random((_NUM_FEATURES, len(weights))) < -np.expm1(-weights)
    negative = (rng.random((_NUM_FEATURES, sizes.sum())) < 0.5) & np.repeat(looks, sizes, axis=1)
    features = 1 - 2 * np.remainder(ones @ negative.T.astype(np.float64), 2)
    amplitudes = rng.standard_normal((num_functions, _NUM_FEATURES)) / math.sqrt(_NUM_FEATURES)
    return np.asarray(amplitudes @ features.T, dtype=np.float64)


def _one_hot(*several: Codes) -> tuple[list[Floats], NDArray[np.intp]]:
    """Encode each ``[N, L]`` as ``[N, sum of sizes]``; count the values that each choice has in all, ``[L]``."""
    least = np.min([codes.min(axis=0) for codes in several], axis=0).astype(np.intp)
    sizes = np.max([codes.max(axis=0) for codes in several], axis=0) - least + 1
    encoded = []
    for codes in several:
        ones = np.zeros((len(codes), sizes.sum()))
        np.put_along_axis(ones, codes - least + (np.cumsum(sizes) - sizes), 1.0, axis=1)
        encoded.append(ones)
    return encoded, sizes
