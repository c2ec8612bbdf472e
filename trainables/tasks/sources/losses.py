"""Losses by name for classes, labels and values, each a mean over the samples of a batch.

Class targets are int64 ``[N]``, or float32 ``[N, classes]`` where mixup has mixed them; so each loss takes both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from trainables.tasks.core.losses import cross_entropy
from trainables.tasks.sources.samples import Kind

__all__ = ["CrossEntropy", "LabelLoss", "OrdinalLoss", "ValueLoss", "balanced_weights", "make_loss"]


@dataclass(frozen=True)
class CrossEntropy:
    """Cross-entropy of logits ``[N, classes]`` in which each class has a weight.

    Attributes:
        weights: Weight of each class, above 0.
    """

    weights: tuple[float, ...]

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the weighted mean over a batch."""
        return F.cross_entropy(outputs, targets, weight=outputs.new_tensor(self.weights))


@dataclass(frozen=True)
class OrdinalLoss:
    """Squared earth mover's distance between predicted and true class, for classes in order (Hou et al. 2016).

        sum over k of (P(class <= k) - [true class <= k])^2,   P the softmax of logits ``[N, classes]``

    A wrong class costs the more the further it is from the true one, and the highest logit is the prediction, as of
    cross-entropy.

    Attributes:
        weights: Weight of each class, above 0; empty for equal ones.
    """

    weights: tuple[float, ...] = ()

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the weighted mean over a batch."""
        if targets.ndim == 1:
            targets = F.one_hot(targets, outputs.shape[1])
        true = targets.to(outputs.dtype)
        distance = (outputs.softmax(dim=1).cumsum(dim=1) - true.cumsum(dim=1)).square().sum(dim=1)
        if not self.weights:
            return distance.mean()
        weights = true @ outputs.new_tensor(self.weights)
        return (weights * distance).sum() / weights.sum()


@dataclass(frozen=True)
class LabelLoss:
    """Binary cross-entropy of logits ``[N, labels]`` against 0 and 1.

    Attributes:
        weights: Weight of the ones of each label against its zeros; empty for equal ones.
    """

    weights: tuple[float, ...] = ()

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean over a batch."""
        weights = outputs.new_tensor(self.weights) if self.weights else None
        return F.binary_cross_entropy_with_logits(outputs, targets, pos_weight=weights)


@dataclass(frozen=True)
class ValueLoss:
    """A loss of values in units of their standard deviations, so that each counts the same.

    Attributes:
        name: ``mse``, ``l1`` or ``huber``, whose errors are counted as squares up to one standard deviation.
        scales: Standard deviation of each value over the training part, above 0.
    """

    name: str
    scales: tuple[float, ...]

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean over a batch; outputs and targets are ``[N, values]`` or ``[N, values, *positions]``."""
        scales = outputs.new_tensor(self.scales).view(-1, *[1] * (outputs.ndim - 2))
        loss: Tensor = _VALUE_LOSSES[self.name](outputs / scales, targets / scales)
        return loss


_VALUE_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "huber": F.huber_loss,
}


def balanced_weights(targets: Tensor, kind: Kind, num_outputs: int) -> tuple[float, ...]:
    """Weigh rare classes more: ``N / (classes x count)`` for classes, as scikit-learn does; zeros per one for labels.

    Args:
        targets: Targets of the training part.
        kind: ``classes`` or ``labels``.
        num_outputs: Number of classes or labels, each of which is there.
    """
    if kind == "classes":
        counts: NDArray[np.float64] = torch.bincount(targets, minlength=num_outputs).double().numpy()
        return tuple((len(targets) / (num_outputs * counts)).tolist())
    ones = targets.double().sum(dim=0)
    return tuple(((len(targets) - ones) / ones).tolist())


def make_loss(name: str, weights: tuple[float, ...], scales: tuple[float, ...]) -> Callable[[Tensor, Tensor], Tensor]:
    """Make the loss of that name, one of `trainables.data_options.LOSSES`.

    Args:
        name: Name of the loss.
        weights: Weights of classes or labels; empty for equal ones.
        scales: Standard deviations of values.
    """
    if name == "cross_entropy":
        return CrossEntropy(weights) if weights else cross_entropy
    if name == "ordinal":
        return OrdinalLoss(weights)
    return LabelLoss(weights) if name == "bce" else ValueLoss(name, scales)
