"""Gradient signal preservation (Wang et al. 2020): the effect of each weight on the norm of the gradient."""

from __future__ import annotations

import torch
from torch import autograd, nn

from trainables.proxies.registry import Batch, Loss, Proxy, register_proxy
from trainables.proxies.weights import weights_of

__all__ = ["GRASP", "grasp"]


def grasp(network: nn.Module, batch: Batch, loss: Loss) -> float:
    """Sum ``-(H g) w`` over all weights, g the gradient and H the Hessian of the loss, at temperature 1.

    ``H g`` is the gradient of ``g . g'``, in which g is held constant and g' is not.
    """
    weights = weights_of(network)
    value = loss(network(batch.inputs), batch.targets)
    gradients = autograd.grad(value, weights, create_graph=True, materialize_grads=True)
    products = torch.stack([(gradient.detach() * gradient).sum() for gradient in gradients]).sum()
    curvatures = autograd.grad(products, weights, materialize_grads=True)
    return -sum(float((h * weight.detach()).sum()) for h, weight in zip(curvatures, weights, strict=True))


GRASP = register_proxy(Proxy("grasp", grasp, "targets", "sum of -(H g) w; Wang et al. 2020"))
