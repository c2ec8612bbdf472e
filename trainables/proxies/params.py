"""Number of parameters as a score: larger networks are mostly better, so every other proxy has to beat it."""

from __future__ import annotations

from torch import nn

from trainables.networks.limits import NetworkSizes
from trainables.proxies.registry import Batch, Loss, Proxy, register_proxy

__all__ = ["PARAMS", "params"]


def params(network: nn.Module, batch: Batch, loss: Loss) -> float:
    """Count trainable parameters, also those of dead operations."""
    return float(sum(parameter.numel() for parameter in network.parameters()))


PARAMS = register_proxy(Proxy("params", params, "weights", "number of parameters", counted=NetworkSizes.parameters))
