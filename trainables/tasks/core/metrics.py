"""Metrics: scores of a network over a whole part at once, never averaged over batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from mpnas_ray.checks import require_bool, require_callable, require_one_of, require_text
from mpnas_ray.errors import TaskError
from trainables.tasks.core.losses import relative_l2

__all__ = ["Metric", "accuracy", "error_rate", "majority_vote", "mean_relative_l2", "record_f1_error"]


@dataclass(frozen=True)
class Metric:
    """A score of a network.

    Attributes:
        name: Name, under which a trial reports ``validation_<name>``.
        mode: Whether higher (``max``) or lower (``min``) is better.
        function: ``(outputs, targets) -> float``, both of a whole part; if ``grouped``, also the groups of the samples.
        grouped: Whether samples that belong together are judged together, as the windows of one record.

    Raises:
        TaskError: If there is no such mode, or an argument is of a wrong type.
    """

    name: str
    mode: Literal["min", "max"]
    function: Callable[..., float]
    grouped: bool = False

    def __post_init__(self) -> None:
        require_text("The name of a metric", self.name, error=TaskError)
        require_one_of("mode", self.mode, ("min", "max"), error=TaskError)
        require_callable("function", self.function, "outputs, targets -> float", error=TaskError)
        require_bool("grouped", self.grouped, error=TaskError)

    def __call__(self, outputs: Tensor, targets: Tensor, groups: Tensor | None = None) -> float:
        """Compute the score of a whole part.

        Args:
            outputs: Outputs of the network, ``[N, ...]``.
            targets: Targets, ``[N, ...]``.
            groups: int64 ``[N]``, the `Split.groups` of the part.

        Raises:
            TaskError: If the metric needs groups and there are none.
        """
        if not self.grouped:
            return self.function(outputs, targets)
        if groups is None:
            raise TaskError(f"The metric {self.name} needs the groups of samples: give its Splits `groups`.")
        return self.function(outputs, targets, groups)


def _accuracy(outputs: Tensor, targets: Tensor) -> float:
    return float((outputs.argmax(dim=1).cpu() == targets.cpu()).double().mean())


def _error_rate(outputs: Tensor, targets: Tensor) -> float:
    return 1.0 - _accuracy(outputs, targets)


def _mean_relative_l2(outputs: Tensor, targets: Tensor) -> float:
    return float(relative_l2(outputs.double(), targets.double()))


def majority_vote(classes: Tensor, groups: Tensor) -> Tensor:
    """Find the most common class of each group; of equally common ones, the one that comes first in the group.

    Args:
        classes: Class of each sample, int64 ``[N]``.
        groups: Group of each sample, int64 ``[N]``.

    Returns:
        int64, one class a group, in the order of the groups' numbers.
    """
    numbers, member = torch.unique(groups, return_inverse=True)
    width = int(classes.max()) + 1
    counts = torch.zeros(len(numbers), width, dtype=torch.int64)
    cell = (member, classes)
    counts.index_put_(cell, torch.ones_like(classes), accumulate=True)
    first = torch.full((len(numbers), width), len(classes))
    first.view(-1).scatter_reduce_(0, member * width + classes, torch.arange(len(classes)), reduce="amin")
    return (counts * (len(classes) + 1) - first).argmax(dim=1)


def _record_f1_error(outputs: Tensor, targets: Tensor, groups: Tensor) -> float:
    from sklearn.metrics import f1_score  # half a second to import: late, as few processes need it

    groups = groups.cpu()
    voted = majority_vote(outputs.argmax(dim=1).cpu(), groups)
    true = majority_vote(targets.cpu(), groups)  # all windows of a record have its label
    classes = range(outputs.shape[1])
    return 1.0 - float(f1_score(true.numpy(), voted.numpy(), labels=classes, average="macro", zero_division=0.0))


accuracy = Metric("accuracy", "max", _accuracy)
"""Share of samples whose highest logit is their class."""

error_rate = Metric("error", "min", _error_rate)
"""Share of samples whose highest logit is not their class: the 0-1 error of NAS-Bench-360, as a fraction."""

mean_relative_l2 = Metric("relative_l2", "min", _mean_relative_l2)
"""Mean relative L2 error, over a whole part in double precision."""

record_f1_error = Metric("record_f1_error", "min", _record_f1_error, grouped=True)
"""1 - F1, NAS-Bench-360's metric of ECG: a record gets the class of most of its windows; F1 of each class over records,
then the plain mean over all classes, a class that is neither there nor predicted counting 0.
"""
