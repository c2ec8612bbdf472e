"""Networks of architectures that have sizes of their own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mpnas_ray.spaces import Architectures, get_space
from trainables.networks.limits import NetworkSizes, SizeLimits
from trainables.networks.network import build_network

CELL = "nasbenchasr:|conv5-d1~0|linear|skip|"


def num_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_one_of_the_sizes_is_the_paper_s() -> None:
    torch.manual_seed(0)
    ours = build_network(f"mixed-macro:{CELL}@w16-d5-s2", (3, 16, 16), 10, preset="small")
    torch.manual_seed(0)
    paper = build_network(f"mixed:{CELL}", (3, 16, 16), 10, preset="paper")
    inputs = torch.randn(2, 3, 16, 16)

    torch.testing.assert_close(ours(inputs), paper(inputs), atol=0, rtol=0)


@pytest.mark.parametrize(
    ("sizes", "shapes"),
    [
        ("w8-d1-s0", [(8, 12), (8, 12), (8, 12)]),
        ("w8-d2-s1", [(8, 12), (8, 12), (8, 12), (8, 12), (16, 6), (16, 6)]),
        ("w8-d1-s2", [(8, 12), (16, 6), (32, 3)]),
    ],
)
def test_strides_halve_the_resolution_and_double_the_width(sizes: str, shapes: list[tuple[int, int]]) -> None:
    network = build_network(f"mixed-macro:{CELL}@{sizes}", (2, 12), 4)
    seen: list[tuple[int, ...]] = []
    for module in network.modules():
        if type(module).__name__ == "Cell":
            module.register_forward_hook(lambda _, inputs, output: seen.append(tuple(output.shape[1:])))
    network(torch.randn(2, 2, 12))

    assert seen == shapes


def test_fields_keep_their_resolution() -> None:
    network = build_network(f"mixed-macro:{CELL}@w8-d1-s2", (3, 9, 11), 1, dense=True)
    assert network(torch.randn(2, 3, 9, 11)).shape == (2, 1, 9, 11)


@pytest.mark.long
@pytest.mark.parametrize(("shape", "dense"), [((6, 25), False), ((1, 9, 9), True)])
def test_sizes_are_counted_as_built(shape: tuple[int, ...], dense: bool) -> None:
    archs = get_space("mixed-macro").sample_many(12, np.random.default_rng(0))
    counted = NetworkSizes(shape, 3, dense, "small").parameters(archs)

    for arch, count in zip(archs, counted.tolist(), strict=True):
        with torch.device("meta"):
            assert num_parameters(build_network(arch, shape, 3, dense)) == count


def test_limits_allow_some_widths_and_depths() -> None:
    archs = get_space("mixed-macro").sample_many(300, np.random.default_rng(0))
    limits = SizeLimits(NetworkSizes((1, 8, 8), 10), widths=(8, 16), depths=(1,))
    kept = [str(arch).partition("@")[2].split("-") for arch in archs[limits(archs)]]

    assert {width for width, _, _ in kept} == {"w8", "w16"}
    assert {depth for _, depth, _ in kept} == {"d1"}
    assert len(kept) == sum(str(arch).partition("@")[2][:-3] in ("w8-d1", "w16-d1") for arch in archs)


def test_limits_without_architectures() -> None:
    nothing = Architectures.of([], get_space("mixed-macro"))
    limits = SizeLimits(NetworkSizes((1, 8, 8), 10), max_flops=10, widths=(8,))
    assert limits(nothing).shape == (0,)
