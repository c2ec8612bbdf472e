"""Weight times gradient, signs kept (Mozer and Smolensky 1988; as a score, Abdelfattah et al. 2021)."""

from __future__ import annotations

from torch import nn

from trainables.proxies.registry import Batch, Loss, Proxy, register_proxy
from trainables.proxies.weights import weight_gradients

__all__ = ["PLAIN", "plain"]


def plain(network: nn.Module, batch: Batch, loss: Loss) -> float:
    """Sum ``w dL/dw`` over all weights."""
    return float(sum((weight * gradient).sum() for weight, gradient in weight_gradients(network, batch, loss)))


PLAIN = register_proxy(Proxy("plain", plain, "targets", "sum of w dL/dw; Mozer and Smolensky 1988"))
