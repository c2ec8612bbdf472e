"""Encoding of inputs (scaling, coordinates) before a network, and decoding of its outputs to physical units."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Decoder", "Encoder", "fit_scaling"]

_EPSILON = 1e-5
"""Added to standard deviations, since those of boundary pixels may be 0; the same as in NAS-Bench-360's Darcy task."""


_AT_ONCE = 2**26
"""Numbers up to which all are looked at together, which takes 8 bytes for each."""


def fit_scaling(values: Tensor, scaling: str) -> tuple[Tensor, Tensor]:
    """Compute mean and standard deviation by which to standardise ``values [N, channels, *positions]``.

    Args:
        values: Values of the training part; other parts must not influence the scaling.
        scaling: ``channel``, ``position`` (each value of a sample by its own) or ``none``.

    Returns:
        Two tensors that broadcast against one sample.
    """
    shape = values.shape[1:]
    if scaling == "none":
        ones = torch.ones(shape[0], *[1] * (len(shape) - 1))
        return torch.zeros_like(ones), ones
    axes = (0,) if scaling == "position" else (0, *range(2, values.ndim))
    std, mean = torch.std_mean(values.double(), dim=axes) if values.numel() <= _AT_ONCE else _in_pieces(values, axes)
    mean_shape = shape if scaling == "position" else (shape[0], *[1] * (len(shape) - 1))
    return mean.float().view(mean_shape), std.nan_to_num(0.0).float().view(mean_shape) + _EPSILON


def _in_pieces(values: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Compute standard deviation and mean of values that are read once and never all in memory (Chan et al. 1979)."""
    step = max(1, _AT_ONCE // (8 * values[:1].numel()))
    count, mean, squares = 0, torch.zeros(()), torch.zeros(())
    for piece in torch.split(values, step):
        more = piece[:, 0].numel() if len(axes) > 1 else len(piece)
        variance, middle = torch.var_mean(piece.double(), dim=axes, correction=0)
        difference = middle - mean
        squares = squares + variance * more + difference**2 * (count * more / (count + more))
        mean = mean + difference * (more / (count + more))
        count += more
    return (squares / (count - 1)).sqrt(), mean


class Encoder(nn.Module):
    """Encode measured inputs for the network: standardise them, and add coordinate channels if asked for."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Tensor, standard_deviation: Tensor, coordinates: bool) -> None:
        """Keep the scaling; see `fit_scaling`."""
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", standard_deviation)  # a key of saved networks
        self.coordinates = coordinates

    def forward(self, inputs: Tensor) -> Tensor:
        """Compute ``[N, channels, *positions] -> [N, channels + axes, *positions]``."""
        encoded: Tensor = (inputs - self.mean) / self.deviation
        if not self.coordinates:
            return encoded
        sides = inputs.shape[2:]
        axes = torch.meshgrid(*(torch.linspace(0, 1, side, device=inputs.device) for side in sides), indexing="ij")
        channels = torch.stack(axes).expand(inputs.shape[0], len(sides), *sides)  # not len(): exports trace this
        return torch.cat([encoded, channels.to(encoded.dtype)], dim=1)


class Decoder(nn.Module):
    """Decode a network's outputs to physical units."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Tensor, standard_deviation: Tensor) -> None:
        """Keep the scaling; see `fit_scaling`."""
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", standard_deviation)  # a key of saved networks

    def forward(self, outputs: Tensor) -> Tensor:
        """Scale ``[N, outputs, *positions]`` back."""
        decoded: Tensor = outputs * self.deviation + self.mean
        return decoded
