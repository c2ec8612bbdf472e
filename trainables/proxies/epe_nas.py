"""EPE-NAS (Lopes et al. 2021): how differently a network depends on the inputs of one class."""

from __future__ import annotations

import numpy as np
from torch import nn

from trainables.proxies.jacobian import correlations, input_jacobian
from trainables.proxies.registry import Batch, Loss, Proxy, register_proxy

__all__ = ["EPE_NAS", "epe_nas"]

_EPSILON = 1e-5  # as in the paper
_MANY_CLASSES = 100  # as in the paper: with more, classes are compared with each other


def epe_nas(network: nn.Module, batch: Batch, loss: Loss) -> float:
    """Compute ``sum_c |s_c|``, ``s_c = sum log(|R_c| + e)`` over the correlations R_c of the class's rows of
    `input_jacobian`.

    With more than 100 classes in the batch, s_c is the mean, and the score ``sum_{c, c'} |s_c - s_c'| / #classes``.
    A class with one sample gives nearly nothing.
    """
    jacobian, labels = input_jacobian(network, batch.inputs), batch.targets.cpu().numpy()
    logarithms = [np.log(np.abs(correlations(jacobian[labels == label])) + _EPSILON) for label in np.unique(labels)]
    if len(logarithms) <= _MANY_CLASSES:
        return float(sum(abs(values.sum()) for values in logarithms))
    means = np.array([values.mean() for values in logarithms])
    return float(np.abs(means[:, None] - means).sum() / len(means))


EPE_NAS = register_proxy(
    Proxy("epe_nas", epe_nas, "classes", "correlations of input Jacobians within classes; Lopes et al. 2021")
)
