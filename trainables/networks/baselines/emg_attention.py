"""The attention model for electromyograms (Josephs et al. 2020), the expert model for NinaPro."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainables.networks.baselines.layers import require

__all__ = ["emg_attention"]

_FEATURES, _DROPOUT, _WIDTHS = 128, 0.36, (500, 500, 2000)


def emg_attention(input_shape: tuple[int, ...], num_outputs: int, dense: bool = False) -> nn.Module:
    """Build attention over time for each of 128 features of a time step, then three wide layers with dropout.

    Args:
        input_shape: ``(electrodes, time)``, or the same as an image of one channel, ``(1, electrodes, time)``; NinaPro
            has 16 and 52.
        num_outputs: Classes; the module gives logits, not the softmax of the published one.
        dense: Must be false.

    Raises:
        TaskError: For images of several channels and for dense tasks.
    """
    fits = not dense and (len(input_shape) == 2 or input_shape[0] == 1)
    require(fits, "emg-attention", "classes of series, (electrodes, time) or (1, electrodes, time)", input_shape, dense)
    return _EMGAttention(input_shape[-2], input_shape[-1], num_outputs)


class _EMGAttention(nn.Module):
    def __init__(self, electrodes: int, time: int, num_outputs: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(time)
        self.features = nn.Sequential(nn.Linear(electrodes, _FEATURES), nn.Mish(), nn.LayerNorm(_FEATURES))
        self.attention = nn.Linear(time, time)
        layers: list[nn.Module] = []
        before = _FEATURES
        for width in _WIDTHS:
            layers += [nn.Dropout(_DROPOUT), nn.Linear(before, width), nn.Mish(), nn.LayerNorm(width)]
            before = width
        self.head = nn.Sequential(*layers, nn.Linear(before, num_outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        series = inputs.squeeze(1) if inputs.ndim == 4 else inputs  # [batch, electrodes, time]
        features = self.features(self.norm(series.transpose(1, 2))).transpose(1, 2)  # [batch, features, time]
        weights = torch.softmax(self.attention(features), dim=2)
        outputs: Tensor = self.head((weights * features).sum(dim=2))
        return outputs
