"""Fisher information of channels (Theis et al. 2018; Turner et al. 2020): the loss without each channel."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, autograd, nn

from trainables.proxies.registry import Batch, Loss, Proxy, register_proxy
from trainables.proxies.weights import WEIGHT_LAYERS

__all__ = ["FISHER", "fisher"]


def fisher(network: nn.Module, batch: Batch, loss: Loss) -> float:
    """Sum over all channels of all layers ``1/2 mean_n (sum over positions of a dL/da)^2``, where a is a layer's
    output.

    Each channel counts once. The code of Abdelfattah et al. 2021 copies its value to every weight of the channel, and
    so counts it as often as it has inputs.

    The inner sum is the gradient with respect to a gate in ``gate * a``, one for each sample and channel, at gate = 1.
    """
    gates: list[Tensor] = []

    def gated(layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        axis = -1 if isinstance(layer, nn.Linear) else 1
        shape = [1] * output.ndim
        shape[0], shape[axis] = output.shape[0], output.shape[axis]
        gates.append(torch.ones(shape, dtype=output.dtype, device=output.device, requires_grad=True))
        return output * gates[-1]

    for layer in network.modules():
        if isinstance(layer, WEIGHT_LAYERS):
            layer.register_forward_hook(gated)
    value = loss(network(batch.inputs), batch.targets)
    gradients = autograd.grad(value, gates, materialize_grads=True)
    return float(sum(gradient.square().sum() / (2 * len(gradient)) for gradient in gradients))


FISHER = register_proxy(
    Proxy("fisher", fisher, "targets", "Fisher information, summed over channels; Theis et al. 2018")
)
