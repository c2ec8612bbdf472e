"""Correlations of the input Jacobian over a batch (Mellor et al. 2020, the first version of NASWOT)."""

from __future__ import annotations

import math

import numpy as np
from torch import nn

from trainables.proxies.jacobian import correlations, input_jacobian
from trainables.proxies.registry import Batch, Loss, Proxy, register_proxy

__all__ = ["JACOB_COV", "jacob_cov"]

_EPSILON = 1e-5  # as in the paper's code


def jacob_cov(network: nn.Module, batch: Batch, loss: Loss) -> float:
    """Compute ``-sum_i [log(l_i + e) + 1 / (l_i + e)]``, l the eigenvalues of the correlations of `input_jacobian`.

    The highest value for N samples is -N: all eigenvalues are 1, no two samples are correlated.
    """
    matrix = correlations(input_jacobian(network, batch.inputs))
    if not np.isfinite(matrix).all():
        return math.nan
    eigenvalues = np.linalg.eigvalsh(matrix) + _EPSILON
    return float(-(np.log(eigenvalues) + 1 / eigenvalues).sum())


JACOB_COV = register_proxy(
    Proxy("jacob_cov", jacob_cov, "inputs", "eigenvalues of correlations of input Jacobians; Mellor et al. 2020")
)
