"""Synaptic flow (Tanaka et al. 2020): how much of a constant input passes through the absolute weights."""

from __future__ import annotations

import math

import torch
from torch import autograd, nn

from trainables.proxies.registry import Batch, Loss, Proxy, register_proxy
from trainables.proxies.weights import weights_of

__all__ = ["SYNFLOW", "synflow"]

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def synflow(network: nn.Module, batch: Batch, loss: Loss) -> float:
    """Compute ``log sum |w dR/dw|``, R the sum of all outputs for an input of ones, each parameter replaced by its
    absolute value.

    Without batch norm, which would undo what is measured; in float64, since sums of products over many layers leave
    float32; as a logarithm, for the same reason.
    """
    for name, module in [*network.named_modules()]:
        if isinstance(module, _NORMS):
            parent, _, child = name.rpartition(".")
            setattr(network.get_submodule(parent), child, nn.Identity())
    network.double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    weights = weights_of(network)
    flow = network(torch.ones_like(batch.inputs[:1], dtype=torch.float64)).sum()
    gradients = autograd.grad(flow, weights, materialize_grads=True)
    total = sum(float((w.detach() * gradient).abs().sum()) for w, gradient in zip(weights, gradients, strict=True))
    return math.log(total) if total > 0 else -math.inf


SYNFLOW = register_proxy(
    Proxy("synflow", synflow, "weights", "log of the sum of |w dR/dw|, without batch norm; Tanaka et al. 2020")
)
