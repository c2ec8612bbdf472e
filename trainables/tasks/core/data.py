"""The data of a task, and their check: wrong ones are refused before the first network is trained.

A wrong shape seldom fails by itself: class numbers ``[N, 1]`` are compared with each of N predictions, which gives an
accuracy of chance for a network that is always right. So nothing is guessed and nothing is converted; the message says
what to call. Harmless tensors are accepted: views that are not contiguous, tensors on a GPU, and tensors that want a
gradient, which are detached.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mpnas_ray.errors import TaskError
from trainables.tasks.core.losses import FocalLoss, RelativeLp, cross_entropy
from trainables.tasks.core.metrics import Metric, accuracy, error_rate, mean_relative_l2, record_f1_error

__all__ = ["Split", "TaskData", "checked_data"]


@dataclass(frozen=True)
class Split:
    """One part of a data set: tensors, not arrays (`torch.from_numpy` makes one of an array without a copy).

    Attributes:
        inputs: float32 ``[N, channels, length]`` or ``[N, channels, height, width]``, as measured; scaling is the
            task's.
        targets: int64 classes ``[N]``, from 0 to one less than the task's ``num_outputs``. Or the
            targets of your own loss, float32 in the shape of the outputs: ``[N, num_outputs]`` (several labels a
                sample, regression), of dense tasks fields ``[N, num_outputs, *positions of the inputs]``.
        groups: int64 ``[N]``, equal for samples that belong together (the windows of one record), for metrics that
            judge them together.
    """

    inputs: Tensor
    targets: Tensor
    groups: Tensor | None = None

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True)
class TaskData:
    """The three disjoint parts: weights are fitted on ``train``, architectures chosen on ``validation``; ``test`` is
    scored once.
    """

    train: Split
    validation: Split
    test: Split


_PARTS = ("train", "validation", "test")

Targets = Literal["classes", "values", "either"]
"""int64 ``[N]``, or float32 in the shape of the outputs; or either, where neither loss nor metric says which."""

_CLASS_METRICS = [metric.function for metric in (accuracy, error_rate, record_f1_error)]
_VALUE_LOSSES = (
    F.mse_loss,
    F.l1_loss,
    F.smooth_l1_loss,
    F.huber_loss,
    F.binary_cross_entropy,
    F.binary_cross_entropy_with_logits,
    F.multilabel_soft_margin_loss,
)
_VALUE_LOSS_MODULES = (
    RelativeLp,
    nn.MSELoss,
    nn.L1Loss,
    nn.SmoothL1Loss,
    nn.HuberLoss,
    nn.BCELoss,
    nn.BCEWithLogitsLoss,
    nn.MultiLabelSoftMarginLoss,
)


def checked_data(
    data: TaskData,
    task: str,
    *,
    num_outputs: int,
    dense: bool,
    loss: Callable[[Tensor, Tensor], Tensor],
    metric: Metric,
    num_scaled: int | None = None,
    scaled_targets: bool = False,
) -> TaskData:
    """Return the data detached and otherwise unchanged; refuse data that no network could be trained on and judged by.

    Data are looked at where they are, and not copied.

    Args:
        data: Data of the task.
        task: Name of the task, for messages.
        num_outputs: Classes, or output channels if ``dense``.
        dense: Whether there is a target at every position.
        loss: Loss of the task; it is called with zeros for the outputs of two or three samples.
        metric: Metric of the task; it says, as the loss does, what targets are.
        num_scaled: Number of channels that have a published mean; None if there are no published means.
        scaled_targets: Whether targets are to be standardised.

    Raises:
        TaskError: Naming the part, the dtype and shape that were found, and those that were expected.
    """
    check = _Check(task, num_outputs, dense, _targets_of(loss, metric), metric.grouped)
    parts = {part: check.part(part, getattr(data, part)) for part in _PARTS}
    train = parts["train"]
    channels = train.inputs.shape[1]
    if num_scaled is not None and num_scaled != channels:
        raise TaskError(f"Task {task}: input_scaling is for {num_scaled} channels, but inputs have {channels}.")
    if train.targets.dtype == torch.int64:
        if scaled_targets:
            raise TaskError(f"Task {task}: class numbers cannot be standardised: leave target_scaling at 'none'.")
        counts = torch.bincount(train.targets, minlength=num_outputs)
        if absent := (counts == 0).nonzero().flatten().tolist():
            raise TaskError(f"Task {task}: the train part holds no sample of class {absent[0]}.")
    if len(train) < 2:
        raise TaskError(f"Task {task}: the train part has one sample; training needs at least 2.")
    _try_loss(task, loss, train.targets, (num_outputs, *train.inputs.shape[2:]) if dense else (num_outputs,))
    return replace(data, **parts)


def _targets_of(loss: Callable[..., Any], metric: Metric) -> Targets:
    while isinstance(loss, partial):
        loss = loss.func
    if loss is cross_entropy or isinstance(loss, FocalLoss) or metric.function in _CLASS_METRICS:
        return "classes"
    if loss in _VALUE_LOSSES or isinstance(loss, _VALUE_LOSS_MODULES) or metric.function is mean_relative_l2.function:
        return "values"
    return "either"


class _Check:
    """The check of one task's parts; the train part comes first and sets the shape of the others."""

    def __init__(self, task: str, num_outputs: int, dense: bool, targets: Targets, grouped: bool) -> None:
        self._task, self._num_outputs, self._dense, self._grouped = task, num_outputs, dense, grouped
        self._targets: Targets = targets
        self._shape: tuple[int, ...] | None = None
        self._dtype: torch.dtype | None = None

    def part(self, part: str, split: Split) -> Split:
        """Return the part, detached, if it is right."""
        problem = self._problem(part, split)
        if problem:
            raise TaskError(f"Task {self._task}: the {part} part {problem}")
        self._shape, self._dtype = tuple(split.inputs.shape[1:]), split.targets.dtype
        return replace(split, inputs=split.inputs.detach(), targets=split.targets.detach())

    def _problem(self, part: str, split: Split) -> str | None:
        """Describe what is wrong with a part, as the end of a sentence; None if nothing is."""
        if not isinstance(split, Split):
            return f"is a {type(split).__name__}; it must be a Split(inputs, targets)."
        for name in ("inputs", "targets") if split.groups is None else ("inputs", "targets", "groups"):
            values = getattr(split, name)
            if not isinstance(values, Tensor):
                found = f"{getattr(values, 'dtype', '')} {list(getattr(values, 'shape', []))}".strip()
                return (
                    f"has {name} that are a {type(values).__name__} ({found}); they must be a tensor: call "
                    f"torch.from_numpy or torch.as_tensor on them."
                )
            if values.layout != torch.strided or values.device.type == "meta":
                return f"has {name} {_found(values)} on device {values.device}; they must be plain numbers in memory."
        inputs, targets, groups = split.inputs, split.targets, split.groups
        if inputs.ndim == 0 or targets.ndim == 0:
            return (
                f"has inputs {_found(inputs)} and targets {_found(targets)}; the first axis of both is that of the "
                f"samples."
            )
        if len(inputs) == 0 or len(inputs) != len(targets):
            return (
                f"has {len(inputs)} inputs and {len(targets)} targets, {_found(inputs)} and {_found(targets)}; there "
                f"must be one target for each input, and at least one of both."
            )
        return (
            self._inputs_problem(inputs)
            or self._targets_problem(inputs, targets)
            or self._groups_problem(part, len(inputs), groups)
        )

    def _inputs_problem(self, inputs: Tensor) -> str | None:
        shape = tuple(inputs.shape[1:])
        wanted, hint = "float32 [N, channels, length] or [N, channels, height, width]", ""
        if self._shape is not None:
            wanted = f"float32 {_like('N', self._shape)}, as in the train part"
        if inputs.dtype != torch.float32 or inputs.ndim not in (3, 4) or 0 in shape or self._shape not in (None, shape):
            if inputs.dtype != torch.float32 and not inputs.is_complex():
                hint = ": call .float() on them"
            return f"has inputs {_found(inputs)}; they must be {wanted}{hint}."
        return _not_finite("inputs", inputs)

    def _targets_problem(self, inputs: Tensor, targets: Tensor) -> str | None:
        n, shape = len(inputs), tuple(inputs.shape[1:])
        values = (self._num_outputs, *shape[1:]) if self._dense else (self._num_outputs,)
        are_values = targets.dtype == torch.float32 and tuple(targets.shape[1:]) == values
        are_classes = targets.dtype == torch.int64 and targets.ndim == 1 and not self._dense
        if self._dense and not are_values:
            return f"has targets {_found(targets)}; dense ones are float32 {_like(n, values)}, as the outputs are."
        wanted = {
            "classes": f"int64 class numbers [{n}], from 0 to {self._num_outputs - 1}",
            "values": f"float32 {_like(n, values)}, as the outputs are",
        }
        if not (are_classes and self._targets != "values") and not (are_values and self._targets != "classes"):
            allowed = wanted.values() if self._targets == "either" else [wanted[self._targets]]
            return f"has targets {_found(targets)}; they must be {' or '.join(allowed)}{self._hint(targets)}."
        if self._dtype not in (None, targets.dtype):
            return f"has targets {_found(targets)}; they must be {_name(self._dtype)}, as in the train part."
        if are_classes:
            low, high = (int(limit) for limit in torch.aminmax(targets))
            if low < 0 or high >= self._num_outputs:
                return (
                    f"has labels from {low} to {high}, outside 0 ... {self._num_outputs - 1}; its targets are "
                    f"{_found(targets)}, and the task has num_outputs={self._num_outputs}."
                )
            return None
        return _not_finite("targets", targets)

    def _hint(self, targets: Tensor) -> str:
        """Name the call that would make class numbers of the targets given."""
        if self._targets == "values":
            return ""
        if targets.ndim == 1 and not targets.is_floating_point():
            return ": call .long() on them"
        if targets.ndim == 2 and targets.shape[1] == 1:
            return ": call .squeeze(1).long() on them"
        if targets.ndim == 2 and targets.shape[1] == self._num_outputs:
            return ": where exactly one is 1 in each row, call .argmax(dim=1) on them"
        return ""

    def _groups_problem(self, part: str, n: int, groups: Tensor | None) -> str | None:
        if groups is None:
            if self._grouped and part != "train":
                return f"has no groups, which its metric needs; they are int64 [{n}]: give its Split `groups`."
            return None
        if groups.dtype != torch.int64 or tuple(groups.shape) != (n,):
            return f"has groups {_found(groups)}; they must be int64 [{n}]."
        return None


def _not_finite(name: str, values: Tensor) -> str | None:
    low, high = torch.aminmax(values.detach())  # NaN if there is one; torch.isfinite would make copies
    if math.isfinite(low) and math.isfinite(high):
        return None
    return f"holds NaN or infinite values in its {name}, {_found(values)}."


def _try_loss(task: str, loss: Callable[..., Any], targets: Tensor, shape: tuple[int, ...]) -> None:
    """Refuse targets that the loss fails on, unless it fails on made-up targets too: then they are not the cause.

    The number of samples is not that of the outputs: else a loss might broadcast the one to the other unnoticed.
    """
    some = targets[: 3 if shape[0] == 2 else 2]
    outputs = torch.zeros(len(some), *shape, device=targets.device)
    problem = _loss_problem(loss, outputs, some)
    if problem is None:
        return
    others = [torch.ones_like(outputs)] if some.dtype == torch.int64 else [some.new_zeros(len(some), dtype=torch.int64)]
    taken = [_found(other) for other in others if _loss_problem(loss, outputs, other) is None]
    if taken or isinstance(problem, str):
        raise TaskError(
            f"Task {task}: the loss fails on outputs {_found(outputs)} and targets {_found(some)}"
            f"{f', not on targets {taken[0]}' if taken else ''}: {problem}"
        ) from (problem if isinstance(problem, Exception) else None)


def _loss_problem(loss: Callable[..., Any], outputs: Tensor, targets: Tensor) -> Exception | str | None:
    """Describe the error of a loss, or what is wrong with its value; None if nothing is."""
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.filterwarnings("error", message="Using a target size", category=UserWarning)  # by F.mse_loss
            value = loss(outputs, targets)
    except Exception as error:
        return error
    if isinstance(value, Tensor) and value.numel() == 1:
        return None
    found = _found(value) if isinstance(value, Tensor) else type(value).__name__
    return f"it gives {found}, and must give one number as a tensor, the mean over the batch."


def _name(dtype: torch.dtype | None) -> str:
    return str(dtype).removeprefix("torch.")


def _found(values: Tensor) -> str:
    return f"{_name(values.dtype)} {list(values.shape)}"


def _like(n: int | str, shape: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, (n, *shape)))}]"
