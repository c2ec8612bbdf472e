"""Counted sizes against networks that are really built and run."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mpnas_ray.errors import TaskError
from mpnas_ray.spaces import SPACE_NAMES, get_space
from trainables.networks import build_network
from trainables.networks.limits import NetworkSizes, SizeLimits

SIZES = [
    NetworkSizes((1, 8, 8), 10, preset="small"),
    NetworkSizes((3, 9, 7), 2, dense=True, preset="small"),
    NetworkSizes((2, 33), 5),
    NetworkSizes((3, 17, 21), 4),
]


@pytest.mark.long
@pytest.mark.parametrize("space", SPACE_NAMES)
@pytest.mark.parametrize("each", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_sizes_are_those_of_the_built_networks(space: str, each: int) -> None:
    # Of a macro space, each different block is counted by itself.
    number = 12 if get_space(space).has_attributes and each == 5 else 100
    archs = get_space(space).sample_many(number, np.random.default_rng(each))
    for sizes in SIZES[:2] if number == 12 else SIZES:
        counted, flops = sizes.parameters(archs), sizes.flops(archs)
        for row in range(each if sizes.preset == "small" else -(-each // 5)):
            with torch.device("meta"):
                network = build_network(archs[row], sizes.input_shape, sizes.num_outputs, sizes.dense, sizes.preset)
                inputs = torch.empty(1, *sizes.input_shape)
            assert counted[row] == sum(parameter.numel() for parameter in network.parameters())
            with FlopCounterMode(display=False) as counter:
                network.eval()(inputs)
            assert 2 * flops[row] == counter.get_total_flops()
    assert len(set(flops.tolist())) > 8, "a test of something that varies"


def test_one_convolution_by_hand() -> None:
    archs = get_space("nasbench201").sample_many(0, np.random.default_rng(0))
    texts = ["nasbench201:|nor_conv_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|"]
    one = type(archs).of(texts, archs.space)
    sizes = NetworkSizes((1, 8, 8), 10, preset="small")  # three stacks of one cell, 8 channels, 64 positions
    empty = type(archs).of(["nasbench201:|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"], archs.space)
    assert (sizes.flops(one) - sizes.flops(empty)).tolist() == [3 * 8 * 8 * 9 * 64]
    assert (sizes.parameters(one) - sizes.parameters(empty)).tolist() == [3 * (8 * 8 * 9 + 16)]
    # Results of ReLU, convolution and norm; of the norm four numbers a channel for both inputs that it was asked with.
    bare = type(archs).of(["nasbench201:|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"], archs.space)
    assert (sizes.activations(bare) - sizes.activations(empty)).tolist() == [3 * (3 * 8 * 64 + 8 * 4 // 2)]


def test_limits() -> None:
    archs = get_space("mixed").sample_many(1000, np.random.default_rng(1))
    sizes = SIZES[0]
    parameters, flops = sizes.parameters(archs), sizes.flops(archs)
    middle, half = int(np.median(parameters)), int(np.median(flops))
    both = pickle.loads(pickle.dumps(SizeLimits(sizes, middle, half)))
    assert (both(archs) == (parameters <= middle) & (flops <= half)).all()
    assert 0 < both(archs).sum() < 1000
    assert (SizeLimits(sizes, max_flops=half)(archs) == (flops <= half)).all()
    assert SizeLimits(sizes)(archs).all()
    with pytest.raises(TaskError, match="max_flops must be at least 1, not 0"):
        SizeLimits(sizes, max_flops=0)


def saved_by_autograd(network: torch.nn.Module, input_shape: tuple[int, ...], batch_size: int) -> int:
    """Numbers that the backward pass of one step waits for, without parameters."""
    kept: dict[int, int] = {}
    alive: list[torch.Tensor] = []

    def note(tensor: torch.Tensor) -> torch.Tensor:
        alive.append(tensor)
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes() // 4
        return tensor

    parameters = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        network.train()(torch.randn(batch_size, *input_shape))
    return sum(count for pointer, count in kept.items() if pointer not in parameters)


@pytest.mark.long
@pytest.mark.parametrize("space", SPACE_NAMES)
def test_activations_cover_what_autograd_keeps_of_built_networks(space: str) -> None:
    archs, batch_size = get_space(space).sample_many(6, np.random.default_rng(3)), 4
    for sizes in SIZES[:2] if get_space(space).has_attributes else SIZES:
        counted = batch_size * sizes.activations(archs)
        for row in range(6 if sizes.preset == "small" else 2):
            network = build_network(archs[row], sizes.input_shape, sizes.num_outputs, sizes.dense, sizes.preset)
            kept = saved_by_autograd(network, sizes.input_shape, batch_size)
            # The output of each operation is counted on top; of averages and skips nothing else is.
            assert 0.99 * kept <= counted[row] <= 2.7 * kept


def test_the_memory_of_a_training_grows_with_its_batch() -> None:
    archs = get_space("mixed").sample_many(50, np.random.default_rng(2))
    for sizes in SIZES:
        one, two, three = (sizes.training_bytes(archs, batch_size) for batch_size in (1, 2, 3))
        assert (two - one == 8 * sizes.activations(archs)).all(), "what is kept, and as much to work with"
        assert (three - two == two - one).all()
        assert (one - (two - one) == 16 * sizes.parameters(archs)).all(), "weight, gradient, two of AdamW"
