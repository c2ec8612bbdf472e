"""The weights that proxies sum over: those of convolutions and linear maps, no biases and no norms."""

from __future__ import annotations

from torch import Tensor, autograd, nn

from trainables.proxies.registry import Batch, Loss

__all__ = ["WEIGHT_LAYERS", "weight_gradients", "weights_of"]

WEIGHT_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Linear)


def weights_of(network: nn.Module) -> list[Tensor]:
    """Return the weight of each layer, in the order in which the layers were built."""
    return [module.weight for module in network.modules() if isinstance(module, WEIGHT_LAYERS)]


def weight_gradients(network: nn.Module, batch: Batch, loss: Loss) -> list[tuple[Tensor, Tensor]]:
    """Return each weight with its gradient of the batch's loss, which is 0 off all paths from input to output."""
    weights = weights_of(network)
    value = loss(network(batch.inputs), batch.targets)
    gradients = autograd.grad(value, weights, materialize_grads=True)
    return [(weight.detach(), gradient) for weight, gradient in zip(weights, gradients, strict=True)]
