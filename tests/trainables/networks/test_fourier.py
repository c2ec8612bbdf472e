"""The Fourier layer as an operation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mpnas_ray.spaces import EXTENSIONS, get_space
from trainables.networks.fourier import NUM_MODES, FourierLayer
from trainables.networks.network import build_network
from trainables.networks.operations import build_operation

SPECTRAL = "mixed+spectral:nasbench201:|fourier~0|+|skip~0|conv3-d1~1|+|zero~0|fourier~1|linear~2|"


@pytest.mark.parametrize("sides", [(46,), (24,), (9,), (1,), (11, 8), (25, 30), (3, 1)])
def test_it_mixes_the_lowest_frequencies_of_each_axis(sides: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layer = FourierLayer(3, len(sides))
    inputs = torch.randn(2, 3, *sides)

    expected = layer.pointwise(inputs)
    for axis, weights in enumerate(layer.weights.view(len(sides), 2, NUM_MODES, 3, 3), start=2):
        length = inputs.shape[axis]
        modes = min(NUM_MODES, length // 2 + 1)
        spectrum = torch.fft.rfft(inputs.movedim(axis, -1), norm="ortho")[..., :modes]
        mixed = torch.einsum("bi...m,mio->bo...m", spectrum, torch.complex(*weights[:, :modes]))
        expected = expected + torch.fft.irfft(mixed, n=length, norm="ortho").movedim(-1, axis)

    torch.testing.assert_close(layer(inputs), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("dimensions", "per_pair"), [(1, 25), (2, 49)])
def test_it_has_as_many_weights_as_it_says(dimensions: int, per_pair: int) -> None:
    module = build_operation("fourier", 4, dimensions)
    norm = 2 * 4

    assert sum(parameter.numel() for parameter in module.parameters()) == per_pair * 4**2 + norm
    if dimensions == 2:
        assert EXTENSIONS[0].weights_per_channel_pair == per_pair


def test_all_weights_learn_and_a_shift_of_the_input_shifts_the_output() -> None:
    torch.manual_seed(0)
    layer = FourierLayer(2, 2)
    inputs = torch.randn(4, 2, 26, 31)

    outputs = layer(inputs)
    outputs.square().sum().backward()

    assert all(parameter.grad is not None for parameter in layer.parameters())
    assert int((layer.weights.grad == 0).sum()) == 2 * 2 * 2  # of the constant frequency, the imaginary parts
    torch.testing.assert_close(layer(inputs.roll((5, 7), (2, 3))), outputs.roll((5, 7), (2, 3)), atol=1e-5, rtol=1e-5)


def test_it_takes_the_memory_format_of_images() -> None:
    layer = FourierLayer(4, 2)
    inputs = torch.randn(2, 4, 9, 11)
    expected = layer(inputs)

    layer = layer.to(memory_format=torch.channels_last)
    torch.testing.assert_close(layer(inputs.to(memory_format=torch.channels_last)), expected, atol=1e-5, rtol=1e-5)


def test_it_runs_in_half_precision() -> None:
    layer = FourierLayer(4, 2)
    inputs = torch.randn(2, 4, 9, 9)

    with torch.autocast("cpu", torch.bfloat16):
        halved = layer(inputs)

    torch.testing.assert_close(halved.float(), layer(inputs), atol=0.1, rtol=0.1)


@pytest.mark.parametrize(("shape", "dense"), [((1, 9), False), ((3, 11, 14), True)])
def test_networks_of_the_space_are_built_and_traced(shape: tuple[int, ...], dense: bool) -> None:
    torch.manual_seed(0)
    network = build_network(SPECTRAL, shape, 3, dense, "small").eval()
    traced = torch.jit.trace(network, torch.randn(2, *shape), check_trace=False)
    inputs = torch.randn(5, *shape)

    torch.testing.assert_close(traced(inputs), network(inputs), atol=1e-5, rtol=1e-5)


def test_the_space_has_the_mixed_cells_and_their_keys() -> None:
    mixed, spectral = get_space("mixed"), get_space("mixed+spectral")
    archs = mixed.sample_many(200, np.random.default_rng(0))
    same = [spectral.parse(str(arch).removeprefix("mixed:")) for arch in archs]
    instead = str(same[0]).replace("conv7-d2", "fourier")

    assert [arch.canonical for arch in same] == archs.canonical_keys().tolist()
    assert spectral.parse(SPECTRAL).canonical != spectral.parse(SPECTRAL.replace("fourier", "conv7-d2")).canonical
    assert instead in spectral
    assert "nasbench201:|fourier~0|+|skip~0|skip~1|+|skip~0|skip~1|skip~2|" not in mixed
