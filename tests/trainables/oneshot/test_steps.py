from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from mpnas_ray.spaces import get_space
from trainables.oneshot.gates import gates_of, mixture
from trainables.oneshot.relaxations import softmax
from trainables.oneshot.scoring import calibrate, one_shot_metric, one_shot_scores, untracked
from trainables.oneshot.search import Batch, Search
from trainables.oneshot.steps import arch_loss, first_order, implicit_term, largest_curvature, second_order, zero_one
from trainables.oneshot.stopping import first_growth
from trainables.oneshot.supernet import norms_of
from trainables.oneshot.training import SupernetTraining

MakeTraining = Callable[..., SupernetTraining]


def batches(search: Search) -> tuple[Batch, Batch]:
    search.begin(0)
    held, fitting = search.random_batch(search.data.alphas), search.random_batch(search.data.weights)
    return Batch(held.inputs.double(), held.targets), Batch(fitting.inputs.double(), fitting.targets)


def in_double(training: SupernetTraining) -> Search:
    search = training.search
    search.net.double()
    search.logits.double()
    return search


def test_first_order_is_the_plain_gradient_and_leaves_the_weights(make_training: MakeTraining) -> None:
    search = in_double(make_training("darts"))
    held, fitting = batches(search)
    expected = torch.autograd.grad(arch_loss(search, held), search.logits.operations)[0]
    before, logits = copy.deepcopy(search.net.state_dict()), search.logits.operations.detach().clone()
    first_order(search, held, fitting)
    assert torch.allclose(search.logits.operations.grad, expected)
    assert not torch.equal(search.logits.operations, logits)
    assert all(torch.equal(value, before[name]) for name, value in search.net.state_dict().items())


def exact_second_order(search: Search, held: Batch, fitting: Batch, rate: float) -> tuple[Tensor, Tensor]:
    """Direct term, and the whole gradient by differentiating through the step of the weights."""
    weights = dict(search.net.named_parameters())

    def loss(values: dict[str, Tensor], batch: Batch) -> Tensor:
        with untracked(search.net):
            outputs = functional_call(search.net, values, (batch.inputs, softmax(search)))
        return search.data.loss(outputs, batch.targets)

    found = torch.autograd.grad(loss(weights, fitting), list(weights.values()), create_graph=True)
    decay = search.settings.weight_decay
    stepped = {
        name: weight - rate * (gradient + decay * weight)
        for (name, weight), gradient in zip(weights.items(), found, strict=True)
    }
    whole = torch.autograd.grad(loss(stepped, held), search.logits.operations)[0]
    fixed = {name: weight.detach() for name, weight in stepped.items()}
    return torch.autograd.grad(loss(fixed, held), search.logits.operations)[0], whole


def test_second_order_differentiates_through_the_step_of_the_weights(
    make_training: MakeTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The implicit term by itself: in the total it may be small enough to be wrong unnoticed.

    In double precision a step of 1e-6 keeps clear of the kinks of ReLU.
    """
    monkeypatch.setattr("trainables.oneshot.steps._RADIUS", 1e-6)
    search = in_double(make_training("darts2", learning_rate=0.05))
    held, fitting = batches(search)
    direct, whole = exact_second_order(search, held, fitting, rate=0.05)
    before = copy.deepcopy(search.net.state_dict())
    second_order(search, held, fitting)
    implicit, expected = search.logits.operations.grad - direct, whole - direct
    assert float((implicit - expected).norm() / expected.norm()) < 1e-6
    assert all(torch.equal(value, before[name]) for name, value in search.net.state_dict().items())


@pytest.mark.parametrize(("radius", "error"), [(0.01, 1e-3), (0.001, 1e-5)])
def test_implicit_term_is_the_exact_product_with_the_mixed_derivative(radius: float, error: float) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(3, 4, dtype=torch.float64)
    logits = torch.randn(3, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(4, dtype=torch.float64, requires_grad=True)
    vector = torch.randn(4, dtype=torch.float64)

    def loss() -> Tensor:
        return torch.tanh(torch.softmax(logits, dim=0) @ matrix * weights).pow(3).sum()

    (gradient,) = torch.autograd.grad(loss(), weights, create_graph=True)
    (exact,) = torch.autograd.grad(gradient @ vector, logits)
    (found,) = implicit_term(loss, [logits], [weights], [weights.detach().clone()], [vector], radius)
    assert float((found - exact).norm() / exact.norm()) < error


def test_zero_one_penalty_is_flat_at_the_start_and_least_at_zero_and_one(make_training: MakeTraining) -> None:
    search = make_training("fairdarts", "nasbench201").search
    assert (search.logits.operations == 0).all()
    start = zero_one(search)
    start.backward()
    assert start.item() == 0
    assert (search.logits.operations.grad == 0).all()
    search.logits.operations.data = torch.tensor([-50.0, 50.0, 50.0, -50.0, 50.0]).repeat(6, 1)
    assert zero_one(search).item() == pytest.approx(-2.5)
    assert not search.logits.is_open[:, 0].any(), "zero does not compete"


@pytest.mark.long
def test_curvature_is_the_largest_eigenvalue_of_the_hessian(make_training: MakeTraining) -> None:
    search = in_double(make_training("darts-es"))
    held, _ = batches(search)
    logits = search.logits.operations
    flat = logits.detach().flatten()

    def loss(values: Tensor) -> Tensor:
        with torch.no_grad():
            logits.copy_(values.detach().view_as(logits))
        weights = torch.softmax(values.view_as(logits), dim=1)
        with untracked(search.net):
            outputs = search.net(held.inputs, mixture(search.skeleton, weights, search.logits.open_choices()))
        return search.data.loss(outputs, held.targets)

    hessian = torch.autograd.functional.hessian(loss, flat)
    expected = torch.linalg.eigvalsh(hessian)[-1].item() + search.settings.arch_weight_decay
    assert largest_curvature(search, held) == pytest.approx(expected, rel=1e-6)


def test_growth_is_found_where_it_begins() -> None:
    flat, steep = [1.0] * 8, [1.0] * 8 + [2.0, 3.0, 4.0]
    assert first_growth(flat) is None
    ends = [end for end in range(1, len(steep) + 1) if first_growth(steep[:end]) is not None]
    assert ends == [10, 11]  # the mean of five is 1.6 then: (1 + 1 + 1 + 2 + 3) / 5
    assert first_growth(steep[:10]) == 5
    assert first_growth(steep, first=11) is None
    assert first_growth([-1.0] * 5 + [5.0] * 4) is None, "a negative curvature has no ratio"


def test_scores_change_nothing_and_are_the_same_again(make_training: MakeTraining) -> None:
    search = make_training("rsps", "nasbench201").search
    archs = search.skeleton.sample(4, np.random.default_rng(0))
    before = copy.deepcopy(search.net.state_dict())
    first = one_shot_scores(search, archs)
    assert one_shot_scores(search, archs) == first
    assert all(torch.equal(value, before[name]) for name, value in search.net.state_dict().items())
    assert search.net.training


def test_calibration_makes_statistics_those_of_the_inputs(make_training: MakeTraining) -> None:
    search = make_training("rsps", "nasbench201").search
    gates = gates_of(get_space("nasbench201").parse("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"))
    inputs = search.data.weights.inputs
    calibrate(search.net, gates, inputs, batch_size=len(inputs))
    stem = search.net.stem[0](inputs)
    assert torch.allclose(search.net.stem[1].running_mean, stem.mean(dim=(0, 2)), atol=1e-6)
    assert not search.net.training
    assert all(norm.momentum == 0.1 for norm in norms_of(search.net))


@pytest.mark.long
def test_batch_norm_modes_differ(make_training: MakeTraining) -> None:
    metrics = {}
    for norm in ("calibrated", "batch", "running"):
        training = make_training("rsps", "nasbench201", norm=norm, learning_rate=0.2, epochs=2)
        training.run_epoch()
        arch = training.search.skeleton.sample(1, np.random.default_rng(3))[0]
        metrics[norm] = one_shot_metric(training.search, gates_of(arch))
    assert all(0 <= metric <= 1 for metric in metrics.values())
