"""Condition number of the neural tangent kernel (TE-NAS, Chen et al. 2021): how evenly gradient descent would learn."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import autograd, nn

from trainables.proxies.registry import Batch, Loss, Proxy, register_proxy
from trainables.proxies.weights import weights_of

__all__ = ["NTK", "ntk"]


def ntk(network: nn.Module, batch: Batch, loss: Loss) -> float:
    """Divide the largest by the smallest eigenvalue of ``K[n, m] = <d f_n / d W, d f_m / d W>``.

    f_n is the sum of the outputs for input n, W all weights of convolutions and linear maps. Infinite, so NaN as a
    score, if K is singular.
    """
    weights = weights_of(network)
    outputs = network(batch.inputs).flatten(1).sum(dim=1)
    rows = []
    for output in outputs:
        gradients = autograd.grad(output, weights, retain_graph=True, materialize_grads=True)
        rows.append(torch.cat([gradient.flatten() for gradient in gradients]))
    jacobian = torch.stack(rows)
    kernel = jacobian @ jacobian.T
    if not torch.isfinite(kernel).all():
        return math.nan
    eigenvalues = np.linalg.eigvalsh(kernel.double().cpu().numpy())
    return float(eigenvalues[-1] / eigenvalues[0]) if eigenvalues[0] > 0 else math.inf


NTK = register_proxy(
    Proxy("ntk", ntk, "inputs", "condition number of the tangent kernel, low is good; Chen et al. 2021", sign=-1)
)
