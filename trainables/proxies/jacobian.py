"""The Jacobian of a network's outputs by its inputs, and the correlations of its rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, autograd, nn

__all__ = ["correlations", "input_jacobian"]


def input_jacobian(network: nn.Module, inputs: Tensor) -> NDArray[np.float64]:
    """Compute ``J_n = d (sum of all outputs) / d x_n``, ``[N, values of an input]``."""
    inputs = inputs.detach().clone().requires_grad_()
    (gradient,) = autograd.grad(network(inputs).sum(), inputs, materialize_grads=True)
    rows: NDArray[np.float64] = gradient.flatten(1).double().cpu().numpy()
    return rows


def correlations(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute Pearson correlations of rows, ``[N, N]``; NaN for a row whose values are all the same."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.atleast_2d(np.corrcoef(rows))
