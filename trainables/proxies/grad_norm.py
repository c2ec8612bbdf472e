"""Norms of the gradient at initialisation (Abdelfattah et al. 2021)."""

from __future__ import annotations

from torch import nn

from trainables.proxies.registry import Batch, Loss, Proxy, register_proxy
from trainables.proxies.weights import weight_gradients

__all__ = ["GRAD_NORM", "grad_norm"]


def grad_norm(network: nn.Module, batch: Batch, loss: Loss) -> float:
    """Sum ``|dL/dW|`` over layers."""
    return float(sum(gradient.norm() for _, gradient in weight_gradients(network, batch, loss)))


GRAD_NORM = register_proxy(
    Proxy("grad_norm", grad_norm, "targets", "norms of the gradients, summed over layers; Abdelfattah et al. 2021")
)
