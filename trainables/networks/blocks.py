"""Residual blocks, as modules over ``[batch, channels, length]`` or ``[batch, channels, height, width]``."""

from __future__ import annotations

from torch import Tensor, nn

from trainables.networks.operations import batch_norm, conv, relu_conv_norm

__all__ = ["ResidualBlock"]


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut.

    At stride 2 both branches halve an odd side rounding up: convolutions by themselves, pooling by ``ceil_mode``.
    """

    def __init__(
        self, dimensions: int, inner: int, outer: int, *, stride: int, shortcut_with_norm: bool = False
    ) -> None:
        """Build the block.

        Args:
            dimensions: 1 or 2.
            inner: Channels of the input.
            outer: Channels of the output.
            stride: 1 or 2.
            shortcut_with_norm: False for NAS-Bench-201's block, whose shortcut averages and then changes the channels;
                True for TransNAS-Bench-101's, where one convolution with a batch norm does both.
        """
        super().__init__()
        self.convolutions = nn.Sequential(
            relu_conv_norm(dimensions, inner, outer, 3, stride=stride), relu_conv_norm(dimensions, outer, outer, 3)
        )
        shortcut: list[nn.Module] = []
        changes = stride == 2 or inner != outer
        if changes and shortcut_with_norm:
            shortcut = [conv(dimensions, inner, outer, 1, stride=stride), batch_norm(dimensions, outer)]
        elif changes:
            if stride == 2:
                shortcut.append((nn.AvgPool1d if dimensions == 1 else nn.AvgPool2d)(2, stride=2, ceil_mode=True))
            shortcut.append(conv(dimensions, inner, outer, 1))
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, inputs: Tensor) -> Tensor:
        """Compute ``[batch, inner, ...] -> [batch, outer, ...]``."""
        outputs: Tensor = self.convolutions(inputs) + self.shortcut(inputs)
        return outputs
