"""Connection sensitivity of single-shot pruning (Lee et al. 2019), summed over all weights."""

from __future__ import annotations

from torch import nn

from trainables.proxies.registry import Batch, Loss, Proxy, register_proxy
from trainables.proxies.weights import weight_gradients

__all__ = ["SNIP", "snip"]


def snip(network: nn.Module, batch: Batch, loss: Loss) -> float:
    """Sum ``|w dL/dw|`` over all weights: the gradient with respect to a mask ``c`` in ``c w`` at ``c = 1``."""
    return float(sum((weight * gradient).abs().sum() for weight, gradient in weight_gradients(network, batch, loss)))


SNIP = register_proxy(Proxy("snip", snip, "targets", "sum of |w dL/dw|; Lee et al. 2019"))
