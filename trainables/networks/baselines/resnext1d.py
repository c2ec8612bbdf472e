"""The deep ResNeXt for series (Hong et al. 2020), the expert model for ECG."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from trainables.networks.baselines.layers import SameConv1d, head, require

__all__ = ["resnext_1d"]

_FILTERS, _KERNEL, _GROUPS, _DROPOUT = 128, 16, 32, 0.5
_BLOCKS, _BLOCKS_A_LENGTH, _BLOCKS_A_WIDTH = 48, 6, 12


def resnext_1d(input_shape: tuple[int, ...], num_outputs: int, dense: bool = False) -> nn.Module:
    """Build 48 pre-activated blocks of two grouped convolutions.

    Filters double with every 12th block, from 128 to 1024; the second of every six blocks halves the length, rounding
    up, so that series of any length can be read.

    Args:
        input_shape: ``(channels, length)``.
        num_outputs: Classes.
        dense: Must be false.

    Raises:
        TaskError: For images and for dense tasks.
    """
    fits = not dense and len(input_shape) == 2
    require(fits, "resnext-1d", "classes of series, (channels, length)", input_shape, dense)
    blocks, before = [], _FILTERS
    for number in range(_BLOCKS):
        filters = _FILTERS * 2 ** (number // _BLOCKS_A_WIDTH)
        stride = 2 if number % _BLOCKS_A_LENGTH == 1 else 1
        blocks.append(_Block(before, filters, stride, first=number == 0))
        before = filters
    stem = [SameConv1d(input_shape[0], _FILTERS, _KERNEL), nn.BatchNorm1d(_FILTERS), nn.ReLU()]
    return nn.Sequential(*stem, *blocks, nn.BatchNorm1d(before), nn.ReLU(), head(1, before, num_outputs, dense))


class _Block(nn.Module):
    """A pre-activated residual block.

    Its shortcut pools where the convolutions stride, and gets channels of zeros on both sides where they widen.
    """

    def __init__(self, inner: int, outer: int, stride: int, *, first: bool) -> None:
        super().__init__()
        activation = [] if first else [nn.BatchNorm1d(inner), nn.ReLU(), nn.Dropout(_DROPOUT)]
        self.body = nn.Sequential(
            *activation,
            SameConv1d(inner, outer, _KERNEL, stride, _GROUPS),
            nn.BatchNorm1d(outer),
            nn.ReLU(),
            nn.Dropout(_DROPOUT),
            SameConv1d(outer, outer, _KERNEL, 1, _GROUPS),
        )
        self._stride, self._missing = stride, outer - inner

    def forward(self, inputs: Tensor) -> Tensor:
        short = F.max_pool1d(inputs, self._stride, ceil_mode=True) if self._stride > 1 else inputs
        if self._missing:
            low = self._missing // 2
            short = F.pad(short, (0, 0, low, self._missing - low))
        outputs: Tensor = self.body(inputs) + short
        return outputs
