from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mpnas_ray.meta_learning.mixture.description import NUM_INPUTS, described_graphs
from mpnas_ray.predictors.encodings.operation_counts import operation_counts
from mpnas_ray.spaces import OPERATIONS, SPACE_NAMES, Architectures, get_space


def cell(text: str) -> Architectures:
    space = get_space("nasbench201")
    return Architectures.of([space.parse(text)], space)


def test_counts_of_a_cell_by_hand() -> None:
    # The convolution between states 0 and 1 leads nowhere: all links out of state 1 are zeros.
    text = "nasbench201:|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|none~0|none~1|skip_connect~2|"
    counts = operation_counts(cell(text))[0]
    every, live = counts[: len(OPERATIONS)], counts[len(OPERATIONS) :]
    named = {operation.name: n for operation, n in zip(OPERATIONS, zip(every, live, strict=True), strict=True)}
    assert named["conv3-d1"] == (1, 0)
    assert named["conv1-d1"] == (1, 1)
    assert named["skip"] == (1, 1)
    assert named["zero"] == (3, 0)
    assert every.sum() == 6


@pytest.mark.parametrize("space_name", SPACE_NAMES)
def test_shapes_in_every_space(space_name: str) -> None:
    archs = get_space(space_name).sample_many(5, np.random.default_rng(0))
    graphs = described_graphs(archs)
    nodes = archs.graphs().kinds.shape[1] + 1
    assert graphs.inputs.shape == (5, nodes, 2 * NUM_INPUTS)
    assert graphs.reads.shape == (5, 2 * nodes, nodes)
    assert graphs.inputs.isfinite().all()


def test_nothing_is_read_through_a_zero() -> None:
    graphs = described_graphs(
        cell("nasbench201:|none~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|none~0|none~1|avg_pool_3x3~2|")
    )
    reads = graphs.reads.view(8 + 1, 2, 8 + 1)
    zero = 2  # node 0 is the global one, 1 the input, 2 the operation between states 0 and 1
    others = [node for node in range(1, 9) if node != zero]
    assert not reads[others][:, :, zero].any()
    assert not reads[zero][:, others].any()


def test_a_dead_operation_is_described_apart_from_a_live_one() -> None:
    live = described_graphs(cell("nasbench201:|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"))
    dead = described_graphs(cell("nasbench201:|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|"))
    assert not torch.equal(live.inputs[0, 0], dead.inputs[0, 0])  # what the global node reads of all


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_an_architecture_is_described_the_same_in_any_company(seed: int) -> None:
    archs = get_space("mixed").sample_many(6, np.random.default_rng(seed))
    together, alone = described_graphs(archs), described_graphs(archs[2:3])
    assert torch.allclose(together.inputs[2], alone.inputs[0])
    assert torch.equal(together.reads[2], alone.reads[0])


def test_usual_prices_rise_with_the_kernel_and_ignore_what_costs_nothing() -> None:
    price = {operation.name: operation.usual_price for operation in OPERATIONS}
    assert price["zero"] == 0 < price["skip"] < price["conv1-d1"] < price["conv3-d1"] == 1
    assert price["conv3-d1"] < price["conv5-d1"] == price["conv5-d2"] < price["conv7-d1"]
