"""The Fourier neural operator in two dimensions (Li et al. 2021), the expert model for Darcy flow."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.networks.baselines.layers import require

__all__ = ["fno_2d"]

_MODES, _WIDTH, _LAYERS, _PADDING = 12, 32, 4, 9


def fno_2d(input_shape: tuple[int, ...], num_outputs: int, dense: bool = True) -> nn.Module:
    """Build four layers of 12x12 Fourier modes and 32 channels, as published.

    Two of the published three input channels are coordinates, which a task adds (`Task.coordinates`).

    Args:
        input_shape: ``(channels, height, width)``, both sides at least 15: with the padding of 9, as many positions as
            the two corners of 12 modes take.
        num_outputs: Output channels.
        dense: Must be true.

    Raises:
        TaskError: For series, classes or sides under 15.
    """
    fits = dense and len(input_shape) == 3 and min(input_shape[1:]) >= 2 * _MODES - _PADDING
    least = 2 * _MODES - _PADDING
    require(
        fits, "fno-2d", f"a dense task of two axes with at least {least} positions on each side", input_shape, dense
    )
    return _FNO(input_shape[0], num_outputs)


class _FNO(nn.Module):
    def __init__(self, inner: int, num_outputs: int) -> None:
        super().__init__()
        self.lift = nn.Conv2d(inner, _WIDTH, 1)
        self.spectral = nn.ModuleList(_SpectralConv(_WIDTH) for _ in range(_LAYERS))
        self.pointwise = nn.ModuleList(nn.Conv2d(_WIDTH, _WIDTH, 1) for _ in range(_LAYERS))
        self.project = nn.Sequential(nn.Conv2d(_WIDTH, 128, 1), nn.GELU(), nn.Conv2d(128, num_outputs, 1))

    def forward(self, inputs: Tensor) -> Tensor:
        features = F.pad(self.lift(inputs), (0, _PADDING, 0, _PADDING))  # fields are not periodic
        for number, (spectral, pointwise) in enumerate(zip(self.spectral, self.pointwise, strict=True)):
            features = spectral(features) + pointwise(features)
            if number < _LAYERS - 1:
                features = F.gelu(features)
        outputs: Tensor = self.project(features[..., :-_PADDING, :-_PADDING])
        return outputs


class _SpectralConv(nn.Module):
    """A linear map of the channels for each of the lowest modes; of the first axis also the negative ones.

    The complex weights are kept as real pairs, ``[2 corners, in, out, modes, modes, 2]``, which every optimiser, clip
    and file can take.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(2, width, width, _MODES, _MODES, 2) / width**2)

    def forward(self, inputs: Tensor) -> Tensor:
        height, width = inputs.shape[2:]
        modes = torch.fft.rfft2(inputs.to(self.weight.dtype))  # under autocast too: there is no FFT of bfloat16
        low, high = torch.view_as_complex(self.weight)
        mixed = torch.zeros_like(modes)
        mixed[..., :_MODES, :_MODES] = torch.einsum("bihw,iohw->bohw", modes[..., :_MODES, :_MODES], low)
        mixed[..., -_MODES:, :_MODES] = torch.einsum("bihw,iohw->bohw", modes[..., -_MODES:, :_MODES], high)
        outputs: Tensor = torch.fft.irfft2(mixed, s=(height, width))
        return outputs
