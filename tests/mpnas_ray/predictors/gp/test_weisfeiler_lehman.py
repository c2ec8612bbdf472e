from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpnas_ray.predictors.gp.kernels import KERNELS
from mpnas_ray.predictors.gp.weisfeiler_lehman import label_similarities, vertex_labels
from mpnas_ray.spaces import SPACE_NAMES, Architectures, get_space

SPACE = get_space("nasbench201")
# input - 3x3 - 1x1 - output; the pooling reads a state that nothing feeds.
CHAIN = "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|nor_conv_1x1~1|avg_pool_3x3~2|"
SHORT = "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"  # input - 3x3 - output
TWICE = "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|nor_conv_1x1~1|nor_conv_1x1~2|"  # the chain, two times
NOTHING = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"  # only input and output, apart

seeds = st.integers(0, 2**32 - 1)


def similarities(first: str, second: str) -> list[float]:
    """After 0, 1 and 2 rounds."""
    labels = vertex_labels(Architectures.of([first, second], SPACE), 2)
    return [float(cosine) for cosine in label_similarities(labels[:1], labels[1:])[:, 0, 0]]


def test_similarities_by_hand() -> None:
    # Counts: 1 each of input, 3x3, 1x1, output, and of input, 3x3, output. Then 'output after 1x1' is not 'output after
    # 3x3', so that input and 3x3 are left.
    assert np.allclose(similarities(CHAIN, SHORT), [3 / (2 * 3**0.5), 2 / (2 * 3**0.5), 2 / (2 * 3**0.5)])
    # Counts 1, 2, 2, 1 have length sqrt(10); an output that reads two vertices is not one that reads one.
    assert np.allclose(similarities(CHAIN, TWICE), [6 / (2 * 10**0.5), 5 / (2 * 10**0.5), 5 / (2 * 10**0.5)])
    # Input and output are in every cell, but this output reads nothing.
    assert np.allclose(similarities(CHAIN, NOTHING), [2 / (2 * 2**0.5), 1 / (2 * 2**0.5), 1 / (2 * 2**0.5)])
    assert np.allclose(similarities(NOTHING, NOTHING), 1)


def test_what_a_label_sees_grows_with_the_rounds() -> None:
    """Two chains that differ in their first operation: seen at the output after three rounds."""
    chains = [f"|{first}~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|nor_conv_1x1~2|" for first in SPACE.operations[2:4]]
    labels = vertex_labels(Architectures.of(chains, SPACE), 3)
    assert (labels[0, :, -1] == labels[1, :, -1]).tolist() == [True, True, True, False]


@settings(deadline=None, max_examples=15)
@given(seeds, st.sampled_from(SPACE_NAMES), st.sampled_from(list(KERNELS)))
def test_every_kernel_is_positive_semidefinite_with_the_diagonal_that_it_says(seed: int, space: str, name: str) -> None:
    kernel = KERNELS[name]
    rows = kernel.describe(get_space(space).sample_many(25, np.random.default_rng(seed)))
    base = kernel.base(rows, rows)
    assert base.shape == (kernel.num_base, 25, 25)
    assert np.allclose(base, base.transpose(0, 2, 1))
    assert np.allclose(np.diagonal(base, axis1=1, axis2=2), kernel.diagonal(rows))
    similarities = base[:-1] if name == "graph-features" else base  # the last of which is an inner product
    assert np.allclose(np.diagonal(similarities, axis1=1, axis2=2), 1)
    assert similarities.min() >= 0
    assert np.linalg.eigvalsh(base).min() > -1e-9
    assert np.allclose(kernel.base(rows[:7], rows[5:]), base[:, :7, 5:])


@settings(deadline=None, max_examples=15)
@given(seeds)
def test_isomorphic_cells_are_equal(seed: int) -> None:
    """One network written in two ways; skips, which are operations of a label but not of a network, are left out."""
    archs = SPACE.sample_many(1_500, np.random.default_rng(seed))
    archs = archs[(archs.codes != SPACE.operations.index("skip_connect")).all(axis=1)]
    _, first, inverse = np.unique(archs.canonical_keys(), return_index=True, return_inverse=True)
    assert len(first) < len(archs)
    labels = np.sort(vertex_labels(archs, 3), axis=2)
    assert np.array_equal(labels, labels[first][inverse])


@pytest.mark.long
@settings(deadline=None, max_examples=6)
@given(seeds, st.sampled_from(list(KERNELS)))
def test_functions_of_the_prior_have_the_kernel_as_covariance(seed: int, name: str) -> None:
    rng = np.random.default_rng(seed)
    kernel = KERNELS[name]
    rows = kernel.describe(SPACE.sample_many(6, rng))
    weights = rng.exponential(size=kernel.num_base)
    functions = np.concatenate([kernel.prior_functions(rows, weights, 500, rng) for _ in range(8)])
    expected = np.tensordot(weights, kernel.base(rows, rows), axes=1)
    # The standard error of a covariance of 4,000 draws is 0.022 of the variance at most; waves add less.
    assert np.abs(functions.T @ functions / len(functions) - expected).max() < 0.12 * weights.sum()
