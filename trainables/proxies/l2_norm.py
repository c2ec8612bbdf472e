"""Norms of the initial weights, which grow with the size of the network (Abdelfattah et al. 2021)."""

from __future__ import annotations

from torch import nn

from trainables.proxies.registry import Batch, Loss, Proxy, register_proxy
from trainables.proxies.weights import weights_of

__all__ = ["L2_NORM", "l2_norm"]


def l2_norm(network: nn.Module, batch: Batch, loss: Loss) -> float:
    """Sum ``|W|`` over layers, also those of dead operations."""
    return float(sum(weight.detach().norm() for weight in weights_of(network)))


L2_NORM = register_proxy(
    Proxy("l2_norm", l2_norm, "weights", "norms of the weights, summed over layers; Abdelfattah et al. 2021")
)
