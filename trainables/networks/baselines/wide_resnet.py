"""Wide residual networks of depth 16 (Zagoruyko and Komodakis 2016), in 1-D and 2-D, for classes and for fields."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from mpnas_ray.checks import require_bool, require_count
from mpnas_ray.errors import TaskError
from trainables.networks.baselines.layers import head
from trainables.networks.operations import batch_norm, conv

__all__ = ["wide_resnet"]

_BLOCKS = 2  # blocks in each of three groups: depth 16 = 6 * 2 + 4


def wide_resnet(
    input_shape: tuple[int, ...], num_outputs: int, dense: bool = False, *, widening: int = 4, as_in_dash: bool = False
) -> nn.Module:
    """Build WRN-16-``widening`` as NAS-Bench-360 uses it: 3x3 convolutions (3 for series), widths 16 to 64
    ``widening``.

    The second and third group halve the resolution, rounding up; for fields no group does, and the head reads each
    position. The head pools the whole map (NAS-Bench-360's code pools the top left 8x8 of its 15x15 on Spherical).

    Args:
        input_shape: ``(channels, length)`` or ``(channels, height, width)``.
        num_outputs: Classes, or output channels if ``dense``.
        dense: Predict at every position.
        widening: Factor of the widths: 4 in the published protocol, 1 for small tasks and in the search of DASH.
        as_in_dash: Build the variant of Shen et al. (2022): convolutions have a bias, the second one of each block
            strides, the last batch norm has momentum 0.9, weights are drawn by Xavier's rule with gain sqrt(2).

    Raises:
        TaskError: If ``widening`` is not a whole number of at least 1.
    """
    require_count("widening", widening, error=TaskError)
    require_bool("as_in_dash", as_in_dash, error=TaskError)
    network = _WideResNet(input_shape, num_outputs, dense, widening, as_in_dash)
    for module in network.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d):
            if as_in_dash:
                nn.init.xavier_uniform_(module.weight, gain=2**0.5)
            else:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


class _WideResNet(nn.Module):
    def __init__(
        self, input_shape: tuple[int, ...], num_outputs: int, dense: bool, widening: int, as_in_dash: bool
    ) -> None:
        super().__init__()
        inner, dimensions = input_shape[0], len(input_shape) - 1
        widths = [16, 16 * widening, 32 * widening, 64 * widening]
        self.stem = conv(dimensions, inner, 16, 3, bias=as_in_dash)
        blocks = []
        for group, (before, width) in enumerate(pairwise(widths)):
            for number in range(_BLOCKS):
                stride = 2 if number == 0 and group > 0 and not dense else 1
                blocks.append(_Block(dimensions, width if number else before, width, stride, as_in_dash))
        self.blocks = nn.Sequential(*blocks)
        self.norm = batch_norm(dimensions, widths[-1])
        if as_in_dash:
            self.norm.momentum = 0.9  # type: ignore[assignment]
        self.head = head(dimensions, widths[-1], num_outputs, dense)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.head(torch.relu(self.norm(self.blocks(self.stem(inputs)))))
        return outputs


class _Block(nn.Module):
    """Norm, ReLU and convolution, twice; a shortcut that changes the shape reads the output of the first ReLU."""

    def __init__(self, dimensions: int, inner: int, outer: int, stride: int, as_in_dash: bool) -> None:
        super().__init__()
        first, second = (1, stride) if as_in_dash else (stride, 1)
        self.norm1 = batch_norm(dimensions, inner)
        self.conv1 = conv(dimensions, inner, outer, 3, stride=first, bias=as_in_dash)
        self.norm2 = batch_norm(dimensions, outer)
        self.conv2 = conv(dimensions, outer, outer, 3, stride=second, bias=as_in_dash)
        self.shortcut: nn.Module | None = None
        if inner != outer or stride > 1:
            self.shortcut = conv(dimensions, inner, outer, 1, stride=stride, bias=as_in_dash)

    def forward(self, inputs: Tensor) -> Tensor:
        features = torch.relu(self.norm1(inputs))
        short = inputs if self.shortcut is None else self.shortcut(features)
        outputs: Tensor = short + self.conv2(torch.relu(self.norm2(self.conv1(features))))
        return outputs
