"""Multiply-adds as a score: like `params`, a baseline of every proxy."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from trainables.networks.limits import NetworkSizes
from trainables.proxies.registry import Batch, Loss, Proxy, register_proxy

__all__ = ["FLOPS", "flops"]


@torch.no_grad()
def flops(network: nn.Module, batch: Batch, loss: Loss) -> float:
    """Count multiply-adds of convolutions and linear maps for one input, as `NetworkSizes.flops` counts them."""
    with FlopCounterMode(display=False) as counter:
        network.eval()(batch.inputs[:1])
    return float(counter.get_total_flops() // 2)


FLOPS = register_proxy(Proxy("flops", flops, "weights", "multiply-adds for one input", counted=NetworkSizes.flops))
