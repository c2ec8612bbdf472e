"""A task: a data set with its split, loss, metric and the recipe that trains a network on it.

To make your own data set a task, write a function that returns its three parts and register it:

    from trainables import Recipe, Split, Task, TaskData, accuracy, cross_entropy, register_task

    def load(data_dir):
        return TaskData(train=Split(x, y), validation=Split(...), test=Split(...))

    register_task(Task("mine", load, num_outputs=5, loss=cross_entropy, metric=accuracy, recipe=Recipe(epochs=20)))

and name it: ``run_search(task="mine", ...)``. From the command line, name the module and its variable: ``--task
my_module:TASK``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from mpnas_ray.errors import MPNASError, TaskError, UserCodeError
from mpnas_ray.names import no_such
from trainables.tasks.files import CarriedFile, DataFile
from trainables.tasks.metrics import Metric
from trainables.tasks.references import find_variable, module_reference
from trainables.user_code import defined_at, user_code_failed

__all__ = [
    "FixedScaling",
    "Recipe",
    "Split",
    "Task",
    "TaskData",
    "get_task",
    "register_task",
    "task_names",
    "task_reference",
]

Scaling = Literal["none", "channel", "position"]


@dataclass(frozen=True)
class FixedScaling:
    """Published means and deviations of the channels, in place of those of the training part."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def tensors(self, num_axes: int) -> tuple[Tensor, Tensor]:
        """Mean and deviation, ``[channels, 1, ...]``, for inputs of ``num_axes`` axes besides the channels."""
        shape = (-1, *[1] * num_axes)
        return torch.tensor(self.mean).view(shape), torch.tensor(self.deviation).view(shape)


@dataclass(frozen=True)
class Split:
    """One part of a data set.

    Attributes:
        inputs: float32 ``[N, channels, length]`` or ``[N, channels, height, width]``, as measured; scaling is the
            task's.
        targets: int64 classes ``[N]``, or float32 fields ``[N, outputs, *positions]``.
        groups: int64 ``[N]``, which samples belong together (the windows of one record), for metrics that judge them
            together.
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


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: by default, AdamW under a one-cycle schedule (Smith and Topin 2019).

    The defaults were measured on the small tasks: SGD was never competitive at this length.

    Attributes:
        epochs: Length; schedules are stretched to it.
        batch_size: Samples a step.
        learning_rate: Peak of the one-cycle schedule, start of the one with steps.
        weight_decay: Of all parameters; decoupled under AdamW, added to the gradient under SGD.
        optimizer: ``adamw``, or ``sgd`` with Nesterov's momentum.
        momentum: Of SGD.
        schedule: ``one-cycle``, stepped each batch, or ``steps``, each epoch.
        milestones: Of ``steps``: the shares of all epochs after which the learning rate falls.
        decay: Of ``steps``: what the learning rate is multiplied by there.
        clip_norm: Gradients longer than this, all parameters together, are shortened to it.
        summed_loss: Multiply the loss by the size of the batch, since the published rate belongs to a sum.
    """

    epochs: int = 15
    batch_size: int = 20
    learning_rate: float = 1e-2
    weight_decay: float = 1e-4
    optimizer: Literal["adamw", "sgd"] = "adamw"
    momentum: float = 0.9
    schedule: Literal["one-cycle", "steps"] = "one-cycle"
    milestones: tuple[float, ...] = ()
    decay: float = 0.2
    clip_norm: float | None = None
    summed_loss: bool = False


@dataclass(frozen=True)
class Task:
    """A data set and all that is needed to train and judge a network on it.

    Attributes:
        name: How users and result files call it.
        load: Returns the data; its argument is the folder of the user's data files, or None for the default place.
        num_outputs: Number of classes, or of output channels if ``dense``.
        loss: ``(outputs, targets) -> scalar``, a mean over the batch, on decoded outputs.
        metric: What validation and test scores are, over a whole part at once.
        recipe: Default training.
        dense: Whether a network predicts a value at every position.
        input_scaling: Standardise inputs by mean and deviation of each channel or of each position, over the training
            part, or by published ones.
        target_scaling: The same for targets; a network then predicts standardised values, which are decoded before the
            loss.
        coordinates: Give the network one more input channel for each axis, running from 0 to 1.
        augment: ``(encoded inputs, generator) -> inputs``, applied to each batch of training.
        protocol: Whose split, preprocessing and metric these are, if they are published.
        files: What the user has to get.
        description: One line for `mpnas tasks`.
        source: Where the data come from, and their licence.
        family: What tasks on data of one kind have in common; who holds one out learns from none of them. The name if
            empty.
    """

    name: str
    load: Callable[[Path | None], TaskData]
    num_outputs: int
    loss: Callable[[Tensor, Tensor], Tensor]
    metric: Metric
    recipe: Recipe = Recipe()
    dense: bool = False
    input_scaling: Scaling | FixedScaling = "channel"
    target_scaling: Scaling = "none"
    coordinates: bool = False
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None
    protocol: str = ""
    files: tuple[DataFile | CarriedFile, ...] = ()
    description: str = ""
    source: str = ""
    family: str = ""

    @property
    def metric_key(self) -> str:
        """Name of the validation score in a trial's results."""
        return f"validation_{self.metric.name}"

    def encoded_shape(self, data: TaskData) -> tuple[int, ...]:
        """What a network reads of one sample: channels, those of coordinates too, and sides."""
        channels, *sides = data.train.inputs.shape[1:]
        return (channels + (len(sides) if self.coordinates else 0), *sides)

    def load_data(self, data_dir: Path | None) -> TaskData:
        """Call `load`, and say in one line where it failed.

        Raises:
            UserCodeError: If it raises something else than an `MPNASError`, or returns something else than a
                `TaskData`.
        """
        try:
            data = self.load(data_dir)
        except MPNASError:
            raise
        except (Exception, SystemExit) as error:
            raise user_code_failed(f"Task {self.name}: load failed", error, self.load) from error
        if not isinstance(data, TaskData):
            where = defined_at(self.load)
            returned = "None" if data is None else f"a value of type {type(data).__name__}"
            raise UserCodeError(
                f"Task {self.name}: load{f' at {where}' if where else ''} returned {returned}; it must return "
                f"TaskData(train=Split(inputs, targets), validation=Split(...), test=Split(...))."
            )
        return data

    def load_checked(self, data_dir: Path | None) -> TaskData:
        """`load`, refusing data that no network could be trained on.

        Raises:
            TaskError: Naming the part and what is wrong with it.
        """
        data = self.load_data(data_dir)
        shape = data.train.inputs.shape[1:]
        for part in ("train", "validation", "test"):
            split: Split = getattr(data, part)
            problem = self._problem(split, shape)
            if problem:
                raise TaskError(f"Task {self.name}: the {part} part {problem}.")
        if not self.dense and data.train.targets.dtype == torch.int64:
            counts = torch.bincount(data.train.targets, minlength=self.num_outputs)
            if absent := (counts == 0).nonzero().flatten().tolist():
                raise TaskError(f"Task {self.name}: the train part holds no sample of class {absent[0]}.")
        return data

    def _problem(self, split: Split, shape: torch.Size) -> str | None:
        inputs, targets = split.inputs, split.targets
        if len(inputs) == 0 or len(inputs) != len(targets):
            return f"has {len(inputs)} inputs and {len(targets)} targets"
        if inputs.dtype != torch.float32 or inputs.ndim not in (3, 4) or inputs.shape[1:] != shape:
            wanted = "float32 of shape [N, channels, length] or [N, channels, height, width], alike in all parts"
            return f"has inputs {inputs.dtype} {list(inputs.shape)}; they must be {wanted}"
        if not torch.isfinite(inputs).all() or not torch.isfinite(targets).all():
            return "holds NaN or infinite values"
        if self.dense and targets.shape[1:] != (self.num_outputs, *shape[1:]):
            return f"has targets {list(targets.shape)}; dense ones are [N, {self.num_outputs}, *positions of the input]"
        if not self.dense and targets.dtype == torch.int64:
            low, high = int(targets.min()), int(targets.max())
            if low < 0 or high >= self.num_outputs:
                return f"has labels from {low} to {high}, outside 0 ... {self.num_outputs - 1}"
        return None


_TASKS: dict[str, Task] = {}


def register_task(task: Task) -> Task:
    """Make a task known by its name in this process; `run_search` carries it to the workers.

    Raises:
        TaskError: If another task has that name.
    """
    if _TASKS.get(task.name, task) != task:
        raise TaskError(f"There is already a task {task.name!r}: give yours another name.")
    _TASKS[task.name] = task
    return task


def task_names() -> list[str]:
    """Names of all registered tasks."""
    return list(_TASKS)


def get_task(name: str) -> Task:
    """The task of that name; ``module:variable`` or ``file.py:variable`` imports it.

    Raises:
        TaskError: If there is none; the message lists those there are.
        UserCodeError: If the module fails when it is imported.
    """
    if not isinstance(name, str):
        raise TaskError(f"A task is a Task or its name, not {name!r}.")
    if name in _TASKS:
        return _TASKS[name]
    if ":" not in name:
        raise TaskError(f"{no_such('task', name, _TASKS)} A task of yours is named module:variable.")
    return find_variable(name, Task)


def task_reference(name: str) -> str:
    """The name by which workers on other nodes find a task: that of its module in place of a file's.

    Raises:
        TaskError: If it names a file that is not there, or that no worker would find.
    """
    return name if name in _TASKS else module_reference(name)
