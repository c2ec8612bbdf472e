"""The 11 operations as torch modules over ``[batch, channels, length]`` or ``[batch, channels, height, width]``.

All keep channels and resolution. Convolutions are pre-activated, ReLU-convolution-batch norm without bias, as in
NAS-Bench-201; `linear` is a pointwise linear map with bias and ReLU and no norm, as in NAS-Bench-ASR.
"""

from __future__ import annotations

import re

from torch import Tensor, nn

__all__ = ["batch_norm", "build_operation", "conv", "relu_conv_norm"]

_CONV = re.compile(r"conv(\d)-d(\d)")


def conv(
    dimensions: int, inner: int, outer: int, kernel: int, *, stride: int = 1, dilation: int = 1, bias: bool = False
) -> nn.Module:
    """A convolution in 1-D or 2-D, padded so that stride 1 keeps the resolution and stride 2 halves it, rounding up."""
    layer = nn.Conv1d if dimensions == 1 else nn.Conv2d
    return layer(inner, outer, kernel, stride, padding=dilation * (kernel // 2), dilation=dilation, bias=bias)


def batch_norm(dimensions: int, channels: int) -> nn.Module:
    """Batch norm in 1-D or 2-D."""
    return (nn.BatchNorm1d if dimensions == 1 else nn.BatchNorm2d)(channels)


def relu_conv_norm(
    dimensions: int, inner: int, outer: int, kernel: int, *, stride: int = 1, dilation: int = 1
) -> nn.Module:
    """The convolution block of NAS-Bench-201."""
    return nn.Sequential(
        nn.ReLU(),
        conv(dimensions, inner, outer, kernel, stride=stride, dilation=dilation),
        batch_norm(dimensions, outer),
    )


def build_operation(kind: str, channels: int, dimensions: int) -> nn.Module:
    """The module of one of `mpnas_ray.spaces.OPERATIONS`."""
    if match := _CONV.fullmatch(kind):
        kernel, dilation = map(int, match.groups())
        return relu_conv_norm(dimensions, channels, channels, kernel, dilation=dilation)
    if kind == "linear":
        return nn.Sequential(conv(dimensions, channels, channels, 1, bias=True), nn.ReLU())
    if kind == "avgpool":
        average = nn.AvgPool1d if dimensions == 1 else nn.AvgPool2d
        return average(3, stride=1, padding=1, count_include_pad=False)
    if kind == "maxpool":
        return (nn.MaxPool1d if dimensions == 1 else nn.MaxPool2d)(3, stride=1, padding=1)
    if kind == "skip":
        return nn.Identity()
    if kind == "zero":
        return _Zero()
    raise ValueError(f"{kind!r} is not an operation.")


class _Zero(nn.Module):
    """Nothing gets through."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs * 0.0
