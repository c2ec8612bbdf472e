"""A network as losses, metrics and a user's step see it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Decoded"]


class Decoded(nn.Module):
    """A network whose outputs are decoded to what targets are compared with, float32 whatever it computes in."""

    def __init__(self, network: nn.Module, decoder: nn.Module, precision: torch.dtype) -> None:
        """Wrap a network; nothing is copied.

        Args:
            network: Network that takes encoded inputs.
            decoder: Decoder of its outputs.
            precision: Precision of the network's arithmetic, float32 or bfloat16.
        """
        super().__init__()
        self.network = network
        self.decoder = decoder
        self._precision = precision

    def forward(self, inputs: Tensor) -> Tensor:
        """Return decoded outputs ``[N, ...]`` for encoded inputs ``[N, channels, ...]``."""
        with torch.autocast(inputs.device.type, self._precision, enabled=self._precision != torch.float32):
            outputs = self.network(inputs)
        return self.decoder(outputs.float())  # type: ignore[no-any-return]
