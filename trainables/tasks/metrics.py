"""Losses and metrics. A loss is a mean over a batch; a metric is computed over a whole part at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Metric", "accuracy", "cross_entropy", "mean_relative_l2", "relative_l2"]


@dataclass(frozen=True)
class Metric:
    """A score of a network.

    Attributes:
        name: A trial reports ``validation_<name>``.
        mode: Whether higher (``max``) or lower (``min``) is better.
        function: ``(outputs, targets) -> float``, both of a whole part.
    """

    name: str
    mode: Literal["min", "max"]
    function: Callable[[Tensor, Tensor], float]


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of logits ``[N, classes]`` against classes ``[N]``."""
    return F.cross_entropy(outputs, targets)


def relative_l2(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean over samples of ``|output - target| / |target|``, Euclidean norms over all else (Li et al. 2021)."""
    errors = torch.linalg.vector_norm((outputs - targets).flatten(1), dim=1)
    relative: Tensor = errors / torch.linalg.vector_norm(targets.flatten(1), dim=1)
    return relative.mean()


def _accuracy(outputs: Tensor, targets: Tensor) -> float:
    return float((outputs.argmax(dim=1) == targets).double().mean())


def _mean_relative_l2(outputs: Tensor, targets: Tensor) -> float:
    return float(relative_l2(outputs.double(), targets.double()))


accuracy = Metric("accuracy", "max", _accuracy)
"""Share of samples whose highest logit is their class."""

mean_relative_l2 = Metric("relative_l2", "min", _mean_relative_l2)
"""`relative_l2`, over a whole part in double precision."""
