"""Losses: ``(outputs, targets) -> scalar``, each a mean over the samples of a batch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mpnas_ray.checks import require_number
from mpnas_ray.errors import TaskError

__all__ = ["FocalLoss", "RelativeLp", "cross_entropy", "relative_l2"]


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Compute the mean cross-entropy of logits ``[N, classes]`` against classes ``[N]``."""
    return F.cross_entropy(outputs, targets)


@dataclass(frozen=True)
class FocalLoss:
    """Cross-entropy that gives samples less weight once they are right (Lin et al. 2017), for logits ``[N, classes]``.

        alpha (1 - p)^gamma (-log p),   p the probability of the right class

    Attributes:
        gamma: Exponent, at least 0; at 0 the loss is cross-entropy, alpha times. DASH trains NinaPro with gamma 0 and
            alpha 1, NAS-Bench-360's expert model for NinaPro with 3 and 6.
        alpha: Factor of the whole, above 0.

    Raises:
        TaskError: If one is out of its range.
    """

    gamma: float
    alpha: float

    def __post_init__(self) -> None:
        require_number("gamma", self.gamma, at_least=0, error=TaskError)
        require_number("alpha", self.alpha, above=0, error=TaskError)

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Compute the mean over a batch, outputs ``[N, classes]``, targets ``[N]``."""
        log_probability = F.log_softmax(outputs, dim=1).gather(1, targets[:, None]).squeeze(1)
        return (-self.alpha * (1 - log_probability.exp()) ** self.gamma * log_probability).mean()


@dataclass(frozen=True)
class RelativeLp:
    """Mean over samples of ``|output - target| / |target|``, p-norms over all but the first axis (Li et al. 2021).

    Attributes:
        p: Order of the norm, at least 1; infinity for the largest absolute value.

    Raises:
        TaskError: If it is less.
    """

    p: float = 2.0

    def __post_init__(self) -> None:
        if self.p != math.inf:
            require_number("p", self.p, at_least=1, error=TaskError)

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Compute the mean over a batch, both ``[N, ...]``."""
        errors = torch.linalg.vector_norm((outputs - targets).flatten(1), self.p, dim=1)
        relative: Tensor = errors / torch.linalg.vector_norm(targets.flatten(1), self.p, dim=1)
        return relative.mean()


relative_l2 = RelativeLp(2.0)
"""The loss of Darcy flow."""
