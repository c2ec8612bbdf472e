"""Networks to compare with: their published sizes, what they take, and DASH's mixture against plain convolutions."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from mpnas_ray.errors import TaskError
from trainables import CellTrainable, darcy_task, load_network
from trainables.networks import save_network
from trainables.networks.baselines import baseline_names, build_baseline, is_baseline
from trainables.networks.baselines.dash import Candidate, MixedConvolution, chosen_candidates, search_network
from trainables.networks.baselines.wide_resnet import wide_resnet
from trainables.networks.named import build_named
from trainables.tune.trial import score_test

CHOICES_13 = ",".join(["3d1", "5d3", "9d15", "7d1"] * 3 + ["3d7"])
CHOICES_9 = ",".join(["19d15", "3d1", "11d7"] * 3)
TINY = darcy_task("tiny-baselines", resolution=15, num_train=12, num_validation=6, num_test=6)


def num_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def build_on_meta(name: str, *arguments: Any) -> nn.Module:
    with torch.device("meta"):
        return build_baseline(name, *arguments)


@pytest.mark.parametrize(
    ("name", "input_shape", "num_outputs", "published"),
    [
        ("wrn-16-4", (3, 32, 32), 100, 2.772),  # CIFAR-100
        ("wrn-16-4", (1, 16, 52), 18, 2.751),  # NinaPro
        ("wrn-16-4", (1, 96, 101), 200, 2.797),  # FSD50K
        ("resnet-1d", (1, 1000), 4, 0.504),  # ECG
        ("resnet-1d", (1, 46), 24, 0.507),  # Satellite
        ("resnet-1d", (4, 1000), 36, 0.510),  # DeepSEA
        ("fno-2d", (3, 85, 85), 1, 2.368),  # Darcy flow, with two coordinates
        ("emg-attention", (1, 16, 52), 18, 1.36),
        ("resnext-1d", (1, 1000), 4, 16.5),
    ],
)
def test_millions_of_parameters_are_as_published(
    name: str, input_shape: tuple[int, ...], num_outputs: int, published: float
) -> None:
    digits = len(str(published).partition(".")[2]) if published != 0.510 else 3
    assert (
        round(num_parameters(build_on_meta(name, input_shape, num_outputs, name == "fno-2d")) / 1e6, digits)
        == published
    )


def test_other_published_sizes() -> None:
    assert round(num_parameters(build_on_meta("wrn-16-4", (3, 85, 85), 1, True)) / 1e6, 2) == 2.75
    with torch.device("meta"):
        assert round(num_parameters(wide_resnet((3, 32, 32), 100, as_in_dash=True)) / 1e6, 3) == 2.774
        assert round(num_parameters(wide_resnet((3, 32, 32), 100, widening=1, as_in_dash=True)) / 1e6, 3) == 0.181
    operator = build_on_meta("fno-2d", (3, 85, 85), 1, True)
    pairs = sum(parameter.numel() for parameter in operator.parameters() if parameter.ndim == 6)
    assert round((num_parameters(operator) - pairs / 2) / 1e6, 3) == 1.188  # a complex number counted as one
    search = search_network((3, 32, 32), 100)
    assert len(chosen_candidates(search)) == 13
    assert len(chosen_candidates(search_network((1, 46), 24))) == 9


@pytest.mark.parametrize(
    ("name", "input_shape", "dense"),
    [
        ("wrn-16-1", (3, 8, 8), False),
        ("wrn-16-1", (2, 9, 12), True),
        ("wrn-16-1", (1, 23), False),
        ("wrn-16-1", (2, 23), True),
        ("resnet-1d", (2, 23), False),
        ("resnet-1d", (2, 23), True),
        ("fno-2d", (1, 15, 17), True),
        ("emg-attention", (1, 6, 20), False),
        ("emg-attention", (6, 20), False),
        ("resnext-1d", (2, 24), False),
        ("dash-search:kernels=3.9", (3, 5, 8), True),
        ("dash-search", (1, 24), False),
        ("dash-search:kernels=3.5,dilations=1.7,scale=500", (1, 8, 9), False),
        (f"dash-wrn-16-1:{CHOICES_13}", (3, 8, 9), False),
        (f"dash-wrn-16-1:{CHOICES_13}", (3, 8, 9), True),
        (f"dash-resnet-1d:{CHOICES_9}", (2, 24), False),
    ],
)
def test_outputs_have_their_shape_and_every_parameter_a_gradient(
    name: str, input_shape: tuple[int, ...], dense: bool
) -> None:
    torch.manual_seed(0)
    network = build_named(name, input_shape, 5, dense)
    outputs = network(torch.randn(3, *input_shape))
    assert outputs.shape == ((3, 5, *input_shape[1:]) if dense else (3, 5))
    outputs.square().mean().backward()
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert torch.isfinite(parameter.grad).all(), parameter_name


@pytest.mark.parametrize(
    ("name", "input_shape", "dense", "message"),
    [
        (
            "fno-2d",
            (1, 15, 15),
            False,
            r"fno-2d needs a dense task of two axes.*got.*\[1, 15, 15\] of a task of points",
        ),
        ("fno-2d", (3, 14, 15), True, "at least 15 positions"),
        ("fno-2d", (3, 40), True, "two axes"),
        ("resnet-1d", (1, 8, 8), False, "resnet-1d needs series"),
        ("resnext-1d", (1, 50), True, "needs classes of series"),
        ("emg-attention", (3, 16, 52), False, "needs classes of series"),
        ("wrn-16-4", (3,), False, "input_shape is"),
        ("wrn-16-5", (3, 8, 8), False, "There is no model 'wrn-16-5'. There are: wrn-16-4, wrn-16-1, resnet-1d"),
        ("wrn-16-4:3d1", (3, 8, 8), False, "has no options"),
        ("dash-wrn-16-4", (3, 8, 8), False, "needs the choices of a search"),
        ("dash-wrn-16-4:3d1", (3, 8, 8), False, "has 13 convolutions to choose, not 1"),
        ("dash-wrn-16-4:3x1", (3, 8, 8), False, "'3x1' is not a convolution such as 7d3"),
        ("dash-wrn-16-4:4d1", (3, 8, 8), False, "odd kernel size"),
        ("dash-search:kernel=3", (3, 8, 8), False, "'kernel=3' is not an option"),
        ("dash-search:scale=0", (3, 8, 8), False, "above 0"),
    ],
)
def test_what_a_network_cannot_take_is_said(name: str, input_shape: tuple[int, ...], dense: bool, message: str) -> None:
    with pytest.raises(TaskError, match=message):
        build_baseline(name, input_shape, 5, dense)


def test_names() -> None:
    assert all(is_baseline(name) for name in baseline_names())
    assert is_baseline("dash-resnet-1d:3d1")
    assert not is_baseline("nasbench201:|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")


def test_the_page_names_every_network() -> None:
    """The help takes the names from the registry, which tests/cluster/commands/test_cli.py checks."""
    page = (Path(__file__).parents[3] / "docs" / "tasks.md").read_text(encoding="utf-8")
    for name in baseline_names():
        assert f"`{name}" in page, name


def direct(mixture: MixedConvolution, weights: Tensor, inputs: Tensor, stride: int) -> Tensor:
    """The mixture as it is defined: each candidate's convolution, weighted and summed."""
    convolve = F.conv1d if inputs.ndim == 3 else F.conv2d
    groups = inputs.shape[1] if mixture.depthwise else 1
    total = torch.zeros(())
    for weight, candidate, kernel in zip(weights, mixture.candidates, mixture.kernels, strict=True):
        padding, dilation = candidate.receptive_field // 2, candidate.dilation
        outputs = convolve(inputs, kernel, stride=stride, padding=padding, dilation=dilation, groups=groups)
        total = total + weight * outputs
    assert mixture.bias is not None
    return total + mixture.bias.view(-1, *[1] * (inputs.ndim - 2))


@settings(max_examples=10, deadline=None)
@given(
    sides=st.lists(st.integers(1, 20), min_size=1, max_size=2),
    channels=st.sampled_from([(2, 2), (2, 4), (3, 1)]),
    stride=st.integers(1, 2),
    seed=st.integers(0, 99),
)
def test_the_mixture_by_fft_is_the_sum_of_its_convolutions(
    sides: list[int], channels: tuple[int, int], stride: int, seed: int
) -> None:
    torch.manual_seed(seed)
    layer = nn.Conv1d if len(sides) == 1 else nn.Conv2d
    candidates = [Candidate(kernel, dilation) for kernel, dilation in product((3, 9), (1, 7))]
    mixture = MixedConvolution(layer(*channels, 3, stride), candidates, [1.0] * 4).double().eval()
    with torch.no_grad():
        mixture.logits.normal_()
        for parameter in mixture.parameters():
            parameter.normal_()
    inputs = torch.randn(2, channels[0], *sides, dtype=torch.float64, requires_grad=True)
    fast, slow = mixture(inputs), direct(mixture, mixture.weights(), inputs, stride)
    torch.testing.assert_close(fast, slow, rtol=0, atol=1e-11)
    factor = torch.randn_like(fast)
    variables = [inputs, *mixture.kernels, mixture.bias]
    fast_gradients = torch.autograd.grad((fast * factor).sum(), variables)
    slow_gradients = torch.autograd.grad((slow * factor).sum(), variables)
    for one, other in zip(fast_gradients, slow_gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


@pytest.mark.parametrize("sides", [(46,), (32, 32), (16, 52)])
def test_in_single_precision_and_with_the_published_candidates(sides: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    kernels, layer = ((3, 7, 11, 15, 19), nn.Conv1d) if len(sides) == 1 else ((3, 5, 7, 9), nn.Conv2d)
    candidates = [Candidate(kernel, dilation) for kernel, dilation in product(kernels, (1, 3, 7, 15))]
    mixture = MixedConvolution(layer(4, 6, 3), candidates, [1.0] * len(candidates)).eval()
    inputs = torch.randn(2, 4, *sides)
    with torch.no_grad():
        expected = direct(mixture, mixture.weights(), inputs, 1)
        assert (mixture(inputs) - expected).abs().max() < 1e-5 * expected.abs().max()


def test_the_gradient_of_logits_has_its_length_and_its_penalty() -> None:
    torch.manual_seed(0)
    candidates = [Candidate(3, 1), Candidate(5, 1), Candidate(3, 3)]
    sizes = [float(candidate.receptive_field) for candidate in candidates]
    mixture = MixedConvolution(nn.Conv1d(2, 3, 3), candidates, sizes, scale=50.0).eval()
    inputs, factor = torch.randn(4, 2, 12), torch.randn(4, 3, 12)
    (mixture(inputs) * factor).sum().backward()
    assert mixture.logits.grad is not None
    logits = mixture.logits.detach().clone().requires_grad_()
    (direct(mixture, torch.softmax(logits, dim=0), inputs, 1) * factor).sum().backward()
    assert logits.grad is not None
    expected = logits.grad / (50 * logits.grad.norm()) + 1e-5 * torch.tensor(sizes)
    torch.testing.assert_close(mixture.logits.grad, expected)


def test_weights_are_drawn_in_training_and_the_largest_logits_are_chosen() -> None:
    torch.manual_seed(0)
    network = search_network((1, 12), 3, kernels=(3, 5), dilations=(1, 2))
    mixture = next(module for module in network.modules() if isinstance(module, MixedConvolution))
    drawn = [mixture.weights() for _ in range(2)]
    assert not torch.equal(*drawn)
    assert drawn[0].sum().item() == pytest.approx(1.0)
    with torch.no_grad():
        for number, module in enumerate(m for m in network.modules() if isinstance(m, MixedConvolution)):
            module.logits[number % 4] += 1
    assert ",".join(map(str, chosen_candidates(network))) == "3d1,3d2,5d1,5d2,3d1,3d2,5d1,5d2,3d1"


class TestTraining:
    def make(self, model: str, data_dir: Path) -> CellTrainable:
        trainable = CellTrainable.__new__(CellTrainable)  # without the log folders that Tune's constructor makes
        trainable.setup({"model": model, "epochs": 2, "batch_size": 4, "data_dir": str(data_dir)}, TINY)
        return trainable

    @pytest.mark.long
    @pytest.mark.parametrize("model", ["fno-2d", "dash-search:kernels=3.5,dilations=1.3"])
    def test_saved_restored_and_loaded(self, model: str, data_dir: Path, tmp_path: Path) -> None:
        """Of DASH also what it draws: a training that was stopped draws the same."""
        straight = self.make(model, data_dir)
        first, second = straight.step(), straight.step()
        assert second["done"]
        assert first["train_loss"] != second["train_loss"]
        stopped = self.make(model, data_dir)
        stopped.step()
        stopped.save_checkpoint(str(tmp_path))
        torch.manual_seed(999)  # another process has another global state
        restored = self.make(model, data_dir)
        restored.load_checkpoint(str(tmp_path))
        assert restored.step()["train_loss"] == second["train_loss"]
        for name, tensor in straight._training.network.state_dict().items():
            assert torch.equal(tensor, restored._training.network.state_dict()[name]), name

        restored.save_checkpoint(str(tmp_path))
        config = {"model": model, "epochs": 2, "batch_size": 4, "data_dir": str(data_dir)}
        found = score_test(config, TINY, str(tmp_path))
        assert found.card.scores["validation_relative_l2"] == pytest.approx(second["validation_relative_l2"])
        save_network(tmp_path / "best", found)
        loaded = load_network(tmp_path / "best")
        inputs = TINY.load_checked(data_dir).test.inputs
        torch.testing.assert_close(loaded(inputs), found(inputs))

    def test_one_network_a_trial(self, data_dir: Path) -> None:
        with pytest.raises(TaskError, match='"arch" and "model"'):
            CellTrainable.__new__(CellTrainable).setup({"model": "fno-2d", "arch": "x"}, TINY)
