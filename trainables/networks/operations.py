"""The operations as torch modules over ``[batch, channels, length]`` or ``[batch, channels, height, width]``.

All keep channels and resolution. Convolutions are pre-activated, ReLU-convolution-batch norm without bias, as in
NAS-Bench-201; `linear` is a pointwise linear map with bias and ReLU and no norm, as in NAS-Bench-ASR.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from trainables.networks.fourier import FourierLayer

__all__ = ["BUILDERS", "batch_norm", "build_operation", "conv", "relu_conv_norm"]


def conv(
    dimensions: int, inner: int, outer: int, kernel: int, *, stride: int = 1, dilation: int = 1, bias: bool = False
) -> nn.Module:
    """Build a convolution in 1-D or 2-D.

    It is padded so that stride 1 keeps the resolution and stride 2 halves it, rounding up.
    """
    layer = nn.Conv1d if dimensions == 1 else nn.Conv2d
    return layer(inner, outer, kernel, stride, padding=dilation * (kernel // 2), dilation=dilation, bias=bias)


def batch_norm(dimensions: int, channels: int) -> nn.Module:
    """Build a batch norm in 1-D or 2-D."""
    return (nn.BatchNorm1d if dimensions == 1 else nn.BatchNorm2d)(channels)


def relu_conv_norm(
    dimensions: int, inner: int, outer: int, kernel: int, *, stride: int = 1, dilation: int = 1
) -> nn.Module:
    """Build the convolution block of NAS-Bench-201: ReLU, convolution, batch norm."""
    return nn.Sequential(
        nn.ReLU(),
        conv(dimensions, inner, outer, kernel, stride=stride, dilation=dilation),
        batch_norm(dimensions, outer),
    )


def build_operation(name: str, channels: int, dimensions: int) -> nn.Module:
    """Build the module of one of `mpnas_ray.spaces.OPERATIONS` or `EXTENSIONS`, by its name."""
    return BUILDERS[name](channels, dimensions)


Builder = Callable[[int, int], nn.Module]
"""Function from the number of channels and of dimensions, 1 or 2, to a module."""


def _convolution(kernel: int, dilation: int) -> Builder:
    return lambda channels, dimensions: relu_conv_norm(dimensions, channels, channels, kernel, dilation=dilation)


def _linear(channels: int, dimensions: int) -> nn.Module:
    return nn.Sequential(conv(dimensions, channels, channels, 1, bias=True), nn.ReLU())


def _average_pooling(channels: int, dimensions: int) -> nn.Module:
    pooling = nn.AvgPool1d if dimensions == 1 else nn.AvgPool2d
    return pooling(3, stride=1, padding=1, count_include_pad=False)


def _max_pooling(channels: int, dimensions: int) -> nn.Module:
    return (nn.MaxPool1d if dimensions == 1 else nn.MaxPool2d)(3, stride=1, padding=1)


def _fourier(channels: int, dimensions: int) -> nn.Module:
    return nn.Sequential(nn.ReLU(), FourierLayer(channels, dimensions), batch_norm(dimensions, channels))


class _Zero(nn.Module):
    """Zeros in the shape of the input."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs * 0.0


BUILDERS: dict[str, Builder] = {
    "conv1-d1": _convolution(1, 1),
    "conv3-d1": _convolution(3, 1),
    "conv5-d1": _convolution(5, 1),
    "conv5-d2": _convolution(5, 2),
    "conv7-d1": _convolution(7, 1),
    "conv7-d2": _convolution(7, 2),
    "linear": _linear,
    "avgpool": _average_pooling,
    "maxpool": _max_pooling,
    "skip": lambda channels, dimensions: nn.Identity(),
    "zero": lambda channels, dimensions: _Zero(),
    "fourier": _fourier,
}
"""Operation by name to the function that builds its module."""
