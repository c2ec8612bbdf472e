"""Zen-score (Lin et al. 2021): how much the features of a Gaussian network move with its input."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from trainables.proxies.registry import Batch, Loss, Proxy, register_proxy
from trainables.proxies.weights import WEIGHT_LAYERS

__all__ = ["ZEN", "zen"]

_STEP = 0.01  # as in the paper's code
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


@torch.no_grad()
def zen(network: nn.Module, batch: Batch, loss: Loss) -> float:
    """Compute ``log mean |f(x) - f(x + 0.01 e)| + sum over batch norms of log sqrt(mean variance)``.

    Weights, x and e (in the shape of the batch) are drawn from N(0, 1), biases are 0; f are the features that the head
    reads, before pooling. The second sum restores the scale that batch norm removed. Its variances are those over the
    batch x, where the paper's code has a running mean of two batches and the initial 1.
    """
    norms = [module for module in network.modules() if isinstance(module, _NORMS)]
    for module in network.modules():
        if isinstance(module, WEIGHT_LAYERS):
            nn.init.normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for norm in norms:
        norm.reset_parameters()
        norm.momentum = 1.0
    inputs = torch.randn_like(batch.inputs)
    moved = _features(network, inputs + _STEP * torch.randn_like(inputs))
    features = _features(network, inputs)  # the last pass: variances are of this one
    score = (features - moved).abs().mean().log()
    for norm in norms:
        if norm.running_var is not None:
            score = score + norm.running_var.mean().sqrt().log()
    return float(score)


def _features(network: nn.Module, inputs: Tensor) -> Tensor:
    """Compute the outputs of the last module before the last weight layer that keeps all positions."""
    latest = before_head = inputs

    def note(module: nn.Module, args: Any, output: Tensor) -> None:
        nonlocal latest, before_head
        if isinstance(module, WEIGHT_LAYERS):
            before_head = latest
        if output.ndim == inputs.ndim:
            latest = output

    handles = [module.register_forward_hook(note) for module in network.modules() if not any(module.children())]
    network(inputs)
    for handle in handles:
        handle.remove()
    return before_head


ZEN = register_proxy(Proxy("zen", zen, "weights", "sensitivity of a Gaussian network's features; Lin et al. 2021"))
