"""The supernet at the gates of one architecture is that architecture's network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from mpnas_ray.errors import SearchSpaceError, TaskError
from mpnas_ray.spaces import KINDS, SPACE_NAMES, Architecture, get_space
from trainables import build_network
from trainables.networks.network import PRESETS
from trainables.oneshot.gates import Gates, gates_of, mixture
from trainables.oneshot.skeleton import skeleton_of
from trainables.oneshot.supernet import MixedCell, Supernet, inherited_weights

TINY = replace(PRESETS["small"], channels=(4, 6))
CELL_SPACES = [space for space in SPACE_NAMES if not get_space(space).has_attributes]
FAMILIES = [("mixed", name) for name in ("nasbench101", "nasbench201", "nasbenchasr")]


def supernet(
    space: str, family: str | None = None, shape: tuple[int, ...] = (2, 8, 8), dense: bool = False
) -> Supernet:
    torch.manual_seed(0)
    return Supernet(skeleton_of(get_space(space), family), shape, 3, dense, TINY)


def own_gradients(net: Supernet, arch: Architecture) -> dict[str, Tensor | None]:
    """Gradients of the operations that the architecture has, by their names in its own network."""
    kinds = arch.graph.kinds[0]
    found = {}
    for name, parameter in net.named_parameters():
        before, is_operation, after = name.partition(".operations.")
        vertex, kind, inner = after.split(".", 2) if is_operation else ("0", "", "")
        if not is_operation:
            found[name] = parameter.grad
        elif kinds[int(vertex)] >= 0 and KINDS[kinds[int(vertex)]] == kind:
            found[f"{before}.operations.{vertex}.{inner}"] = parameter.grad
        else:
            assert parameter.grad is None, f"{name} is no operation of {arch}"
    return found


@pytest.mark.long
@pytest.mark.parametrize(("space", "family"), [*((space, None) for space in CELL_SPACES), *FAMILIES])
@pytest.mark.parametrize(("shape", "dense"), [((2, 8, 8), False), ((2, 9), True)])
def test_one_hot_gates_are_the_architectures_own_network(
    space: str, family: str | None, shape: tuple[int, ...], dense: bool
) -> None:
    """Outputs and gradients are the same, bit for bit."""
    net = supernet(space, family, shape, dense)
    generator = torch.Generator().manual_seed(0)
    for arch in net.skeleton.sample(10, np.random.default_rng(1)):
        alone = build_network(arch, shape, 3, dense, "small", channels=TINY.channels)
        alone.load_state_dict(inherited_weights(net, arch))
        inputs = torch.randn(4, *shape, generator=generator)
        gates = gates_of(arch)
        outputs, expected = net(inputs, gates), alone(inputs)
        assert torch.equal(outputs, expected), arch
        net.zero_grad()
        outputs.square().sum().backward()
        expected.square().sum().backward()
        wanted = dict(alone.named_parameters())
        for name, gradient in own_gradients(net, arch).items():
            other = wanted[name].grad
            assert (gradient is None) == (other is None), (arch, name)
            assert gradient is None or torch.equal(gradient, other), (arch, name)
        net.eval()
        alone.load_state_dict(inherited_weights(net, arch))
        assert torch.equal(net(inputs, gates), alone.eval()(inputs)), arch
        net.train()


def test_one_hot_weights_as_tensors_are_the_architecture_too() -> None:
    net = supernet("nasbench201")
    archs = net.skeleton.sample(6, np.random.default_rng(0))
    inputs = torch.randn(4, 2, 8, 8)
    for arch, choices in zip(archs, net.skeleton.choices(archs), strict=True):
        one_hot = torch.eye(5)[torch.from_numpy(choices.astype(np.int64))]
        assert torch.equal(net(inputs, mixture(net.skeleton, one_hot, one_hot > 0)), net(inputs, gates_of(arch)))


@pytest.mark.parametrize(("space", "family"), [("nasbench201", None), ("transnasbench101", None), *FAMILIES[1:]])
def test_choices_and_architectures_are_each_others_inverse(space: str, family: str | None) -> None:
    skeleton = skeleton_of(get_space(space), family)
    archs = skeleton.sample(20, np.random.default_rng(0))
    for arch, choices in zip(archs, skeleton.choices(archs), strict=True):
        assert skeleton.arch(choices.tolist()) == arch
        kinds = arch.graph.kinds[0]
        assert [slot.kinds[c] for slot, c in zip(skeleton.slots, choices, strict=True)] == [
            kinds[slot.vertex] for slot in skeleton.slots
        ]


def test_a_mixture_adds_up_its_operations_by_weight() -> None:
    skeleton = skeleton_of(get_space("nasbench201"))
    cell = MixedCell(skeleton, 1, 4, 2)
    inputs = torch.randn(2, 4, 8, 8)
    weights = torch.zeros(6, 5)
    weights[0, 1], weights[5, 1] = 0.25, 1.0  # skips from state 0 to 1, from 2 to 3
    weights[2, 4] = 2.0  # average pooling from 1 to 2
    outputs = cell(inputs, mixture(skeleton, weights, weights > 0))
    assert torch.allclose(outputs, 0.5 * cell.operations["3"]["avgpool"](inputs), atol=1e-6)


def test_partial_channels_pass_by_and_are_shuffled() -> None:
    skeleton = skeleton_of(get_space("nasbench201"))
    cell = MixedCell(skeleton, 4, 8, 1)
    weights = torch.zeros(6, 5)
    weights[3, 1] = 0.5  # one skip from input to output
    inputs = torch.arange(8.0).view(1, 8, 1).expand(1, 8, 6).contiguous()
    outputs = cell(inputs, mixture(skeleton, weights, weights > 0))
    assert outputs[0, :, 0].tolist() == [0.0, 2.0, 4.0, 6.0, 0.5, 3.0, 5.0, 7.0]


def test_drop_path_keeps_the_mean_and_spares_skips() -> None:
    skeleton = skeleton_of(get_space("nasbench201"))
    cell = MixedCell(skeleton, 1, 1, 1)
    inputs = torch.ones(4000, 1, 3)
    for choice, spared in ((1, True), (4, False)):
        weights = torch.zeros(6, 5)
        weights[3, choice] = 1.0
        gates = mixture(skeleton, weights, weights > 0)
        dropping = Gates(gates.plan, gates.operations, drop_path=0.25, generator=torch.Generator().manual_seed(0))
        outputs = cell(inputs, dropping)[:, 0, 0]
        assert outputs.unique().tolist() == pytest.approx([1.0] if spared else [0.0, 4 / 3])
        assert outputs.mean().item() == pytest.approx(1.0, abs=0.03)
        assert torch.equal(cell.eval()(inputs, dropping), cell(inputs, gates))
        cell.train()


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(SearchSpaceError, match="nasbench201 has no families"):
        skeleton_of(get_space("nasbench201"), "nasbench101")
    with pytest.raises(SearchSpaceError, match="Did you mean 'nasbench201'"):
        skeleton_of(get_space("mixed"), "nas-bench-201")
    with pytest.raises(TaskError, match="set partial to 1"):
        MixedCell(skeleton_of(get_space("nasbench201")), 4, 6, 2)
    net = Supernet(skeleton_of(get_space("nasbench201")), (2, 9), 3, False, replace(TINY, channels=(8,)), num_parts=4)
    with pytest.raises(TaskError, match="a part of the channels"):
        inherited_weights(net, get_space("nasbench201").sample(np.random.default_rng(0)))
