"""The layer of a Fourier neural operator (Li et al., ICLR 2021), one axis at a time (Tran et al., ICLR 2023).

Along each axis, the lowest frequencies of the input are mixed across channels by a complex matrix each, and turned back
into positions; a pointwise linear map is added for the higher ones:

    y = sum_axis irfft(W_axis . rfft(x, axis)[: modes], axis) + V x

One axis at a time needs ``2 modes`` weights per axis and pair of channels, where products of frequencies need
``4 modes^2`` in 2-D. With 12 modes that are 24 in 1-D and 48 in 2-D, and one more for V: as many as a 7x7 convolution
has.

So few frequencies are computed as products with sines and cosines: the same numbers as those of `torch.fft.rfft`, but
with real weights and at any length, in half precision, under gradient averaging and in exported files alike.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["NUM_MODES", "FourierLayer"]

NUM_MODES = 12
"""Number of frequencies of each axis, the constant one included: as in the authors' network for Darcy flow. A shorter
axis has fewer, length // 2 + 1."""


class FourierLayer(nn.Module):
    """A linear map ``[batch, channels, *positions]`` to the same shape, in which each position sees all on its axes."""

    def __init__(self, channels: int, dimensions: int, num_modes: int = NUM_MODES) -> None:
        """Draw weights from torch's current random state.

        Args:
            channels: Number of channels.
            dimensions: Number of axes, 1 or 2.
            num_modes: Most frequencies of each axis.
        """
        super().__init__()
        layer = nn.Conv1d if dimensions == 1 else nn.Conv2d
        self.pointwise = layer(channels, channels, 1, bias=False)
        drawn = torch.randn(dimensions * 2 * num_modes, channels, channels)  # more axes would not do for channels_last
        self.weights = nn.Parameter(drawn / math.sqrt(2 * dimensions * channels))
        self.num_modes = num_modes

    def forward(self, inputs: Tensor) -> Tensor:
        """Compute the sum over the axes and the pointwise map."""
        outputs: Tensor = self.pointwise(inputs)
        of_axes = self.weights.view(inputs.ndim - 2, 2, self.num_modes, *self.weights.shape[1:])
        for axis in range(inputs.ndim - 2):
            along = _mixed(inputs.movedim(2 + axis, -1), of_axes[axis])
            outputs = outputs + along.movedim(-1, 2 + axis)
        return outputs


def _mixed(inputs: Tensor, weights: Tensor) -> Tensor:
    """Mix the channels of the lowest frequencies of the last axis.

    Args:
        inputs: ``[batch, channels, ..., length]``.
        weights: Real and imaginary parts for each frequency, ``[2, modes, channels in, channels out]``.
    """
    length = inputs.shape[-1]
    modes, channels = min(weights.shape[1], length // 2 + 1), weights.shape[2]
    real, imaginary = weights[0, :modes], weights[1, :modes]
    there, back = _waves(length, modes, inputs)
    lines = inputs.flatten(2, -2) if inputs.ndim > 3 else inputs[:, :, None]
    batch, _, num_lines = lines.shape[:3]
    spectrum = (lines @ there).view(batch, channels, num_lines, 2, modes)
    rows = spectrum.permute(4, 0, 2, 3, 1).reshape(modes, batch * num_lines, 2 * channels)
    product = torch.cat([torch.cat([real, imaginary], dim=2), torch.cat([-imaginary, real], dim=2)], dim=1)
    mixed = torch.bmm(rows, product).view(modes, batch, num_lines, 2, channels)
    outputs = mixed.permute(1, 4, 2, 3, 0).reshape(batch, channels, num_lines, 2 * modes) @ back
    return outputs.reshape(inputs.shape)


def _waves(length: int, modes: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the matrices of a real Fourier transform and of its inverse, both of orthonormal scale.

    Returns:
        ``[length, 2 modes]``, real parts before imaginary ones, and ``[2 modes, length]``.
    """
    frequencies = torch.arange(modes, device=like.device)
    turns = torch.arange(length, device=like.device)[:, None] * frequencies % length  # whole numbers are exact
    phases = turns * (2 * math.pi / length)
    there = torch.cat([phases.cos(), -phases.sin()], dim=1) / math.sqrt(length)
    # a frequency and its negative are one, but for 0 and for half the length
    copies = torch.where((frequencies == 0) | (2 * frequencies == length), 1.0, 2.0)
    return there.to(like.dtype), (there * copies.repeat(2)).T.to(like.dtype)
