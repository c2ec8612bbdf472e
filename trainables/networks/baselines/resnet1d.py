"""The residual network for series (Wang et al. 2017, Fawaz et al. 2019) as NAS-Bench-360 takes it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mpnas_ray.checks import require_count
from mpnas_ray.errors import TaskError
from trainables.networks.baselines.layers import SameConv1d, head, require

__all__ = ["resnet_1d"]


def resnet_1d(input_shape: tuple[int, ...], num_outputs: int, dense: bool = False, *, channels: int = 64) -> nn.Module:
    """Build three residual blocks of convolutions with kernels 8, 5 and 3 at full length, then the mean over time.

    The third block, which keeps the number of channels, has no shortcut at all, as in the published baseline.

    Args:
        input_shape: ``(channels, length)``.
        num_outputs: Classes, or output channels if ``dense``.
        dense: Predict at every position.
        channels: Channels of the first block; the others have twice as many.

    Raises:
        TaskError: If inputs have two axes, or there is not at least one channel.
    """
    require_count("channels", channels, error=TaskError)
    require(len(input_shape) == 2, "resnet-1d", "series, (channels, length)", input_shape, dense)
    return nn.Sequential(
        _Block(input_shape[0], channels),
        _Block(channels, 2 * channels),
        _Block(2 * channels, 2 * channels),
        head(1, 2 * channels, num_outputs, dense),
    )


class _Block(nn.Module):
    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv_norm(inner, outer, 8),
            nn.ReLU(),
            _conv_norm(outer, outer, 5),
            nn.ReLU(),
            _conv_norm(outer, outer, 3),
        )
        self.shortcut = _conv_norm(inner, outer, 1) if inner != outer else None

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.body(inputs)
        return torch.relu(outputs if self.shortcut is None else outputs + self.shortcut(inputs))


def _conv_norm(inner: int, outer: int, kernel: int) -> nn.Module:
    """Build a convolution with its norm; the norm makes the bias idle, but the published parameter count has it."""
    return nn.Sequential(SameConv1d(inner, outer, kernel), nn.BatchNorm1d(outer))
