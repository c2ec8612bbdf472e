"""NASWOT (Mellor et al. 2021): how well a network tells inputs apart by the ReLUs that they activate."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from trainables.proxies.activations import relu_codes
from trainables.proxies.registry import Batch, Loss, Proxy, register_proxy

__all__ = ["NASWOT", "naswot"]


def naswot(network: nn.Module, batch: Batch, loss: Loss) -> float:
    """Compute ``log |det K|``; ``K[n, m]`` counts the units, of all ReLUs, in which codes of inputs n and m agree.

    With codes c of 0 and 1, ``K = c c' + (1 - c)(1 - c)'``. Minus infinity, so NaN as a score, if two codes are equal.
    """
    kernel = torch.zeros(len(batch.inputs), len(batch.inputs), dtype=torch.float64, device=batch.inputs.device)
    for codes in relu_codes(network, batch.inputs):
        active = codes.float()  # sums of 0 and 1 are exact up to 2 ** 24
        counts = active.sum(dim=1)
        kernel += 2 * (active @ active.T) + codes.shape[1] - counts[:, None] - counts
    return float(np.linalg.slogdet(kernel.cpu().numpy()).logabsdet)


NASWOT = register_proxy(
    Proxy("naswot", naswot, "inputs", "log-determinant of the agreement of ReLU codes; Mellor et al. 2021")
)
