from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import pytest
import torch
from torch import Tensor

from mpnas_ray.meta_learning.gradient import InnerRates, Parameters, adapt, trajectory

Loss = Callable[[Parameters], Tensor]


@pytest.fixture
def initial() -> Parameters:
    """Two tasks of a network with one hidden layer, float64."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()

    return {"layers.0.weight": normal(2, 3, 4), "head.weight": normal(2, 4, 1), "head.bias": normal(2, 1)}


@pytest.fixture
def loss() -> Loss:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    targets = torch.randn(2, 5, generator=generator, dtype=torch.float64)

    def of_tasks(parameters: Parameters) -> Tensor:
        hidden = torch.tanh(inputs @ parameters["layers.0.weight"])
        predicted = (hidden @ parameters["head.weight"])[..., 0] + parameters["head.bias"]
        return (predicted - targets).square().mean(dim=1)

    return of_tasks


@pytest.mark.parametrize(
    ("algorithm", "still", "moved"),
    [("boil", "head", "layers"), ("anil", "layers", "head"), ("maml", "", "")],
)
@pytest.mark.parametrize("order", ["second", "first", "none"])
def test_an_algorithm_moves_only_its_parts(
    initial: Parameters, loss: Loss, algorithm: str, still: str, moved: str, order: str
) -> None:
    adapted = adapt(loss, initial, InnerRates.of(algorithm, 0.1), 3, outer_gradient=order)  # type: ignore[arg-type]
    for name in initial:
        if still and name.startswith(still):
            assert adapted[name] is initial[name]
        if name.startswith(moved):
            assert not torch.equal(adapted[name], initial[name])


def test_all_algorithms_are_one_at_equal_rates(initial: Parameters, loss: Loss) -> None:
    equal = InnerRates(body=0.1, head=0.1)
    assert InnerRates.of("maml", 0.1) == equal
    maml = adapt(loss, initial, InnerRates.of("maml", 0.1), 3)
    # BOIL with its head set free, ANIL with its body set free
    boil = adapt(loss, initial, InnerRates(InnerRates.of("boil", 0.1).body, head=0.1), 3)
    anil = adapt(loss, initial, InnerRates(body=0.1, head=InnerRates.of("anil", 0.1).head), 3)
    for name in initial:
        assert torch.equal(maml[name], boil[name])
        assert torch.equal(maml[name], anil[name])


def test_one_step_is_one_gradient_step(initial: Parameters, loss: Loss) -> None:
    gradient = torch.autograd.grad(loss(initial).sum(), initial["layers.0.weight"])[0]
    adapted = adapt(loss, initial, InnerRates(body=0.1, head=0.0), 1)
    assert torch.allclose(adapted["layers.0.weight"], initial["layers.0.weight"] - 0.1 * gradient)


@pytest.mark.parametrize("algorithm", ["boil", "maml", "anil"])
def test_second_order_gradient_agrees_with_finite_differences(initial: Parameters, loss: Loss, algorithm: str) -> None:
    def adapted_loss(*tensors: Tensor) -> Tensor:
        start = dict(zip(initial, tensors, strict=True))
        return loss(adapt(loss, start, InnerRates.of(algorithm, 0.1), 3))  # type: ignore[arg-type]

    assert torch.autograd.gradcheck(adapted_loss, tuple(initial.values()))


def test_first_order_adapts_the_same_but_has_another_gradient(initial: Parameters, loss: Loss) -> None:
    rates = InnerRates.of("boil", 0.1)
    second, first = (adapt(loss, initial, rates, 3, outer_gradient=order) for order in ("second", "first"))  # type: ignore[arg-type]
    weight = "layers.0.weight"
    assert torch.equal(second[weight], first[weight])
    exact = torch.autograd.grad(loss(second).sum(), initial[weight])[0]
    approximate = torch.autograd.grad(loss(first).sum(), initial[weight])[0]
    at_the_end = torch.autograd.grad(loss(first).sum(), first[weight])[0] if first[weight].requires_grad else None
    assert not torch.allclose(exact, approximate)
    assert at_the_end is not None
    assert torch.allclose(approximate, at_the_end)  # the steps are taken for constants


def test_for_use_there_is_no_graph_and_the_initialisation_stays(initial: Parameters, loss: Loss) -> None:
    before = {name: tensor.detach().clone() for name, tensor in initial.items()}
    adapted = adapt(loss, initial, InnerRates.of("boil", 0.1), 3, outer_gradient="none")
    assert not adapted["layers.0.weight"].requires_grad
    assert torch.allclose(
        adapted["layers.0.weight"], adapt(loss, initial, InnerRates.of("boil", 0.1), 3)["layers.0.weight"]
    )
    for name in initial:
        assert torch.equal(initial[name], before[name])


def test_a_trajectory_passes_through_every_count(initial: Parameters, loss: Loss) -> None:
    rates = InnerRates.of("maml", 0.1)
    for steps, parameters in enumerate(islice(trajectory(loss, initial, rates), 4), start=1):
        expected = adapt(loss, initial, rates, steps)
        assert all(torch.equal(parameters[name], expected[name]) for name in initial)
    assert adapt(loss, initial, rates, 0) == initial
    assert adapt(loss, initial, InnerRates(0.0, 0.0), 2) == initial


def test_tasks_do_not_touch_each_other(initial: Parameters, loss: Loss) -> None:
    def other_second_task(parameters: Parameters) -> Tensor:
        return loss(parameters) * torch.tensor([1.0, 7.0])

    rates = InnerRates.of("maml", 0.05)
    one, other = (adapt(function, initial, rates, 3) for function in (loss, other_second_task))
    for name in initial:
        assert torch.equal(one[name][0], other[name][0])
        assert not torch.equal(one[name][1], other[name][1])
