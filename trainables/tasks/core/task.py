"""A task: a data set with its split, loss, metric and the recipe that trains a network on it.

To make your own data set a task, write a function that returns its three parts and register it:

    from trainables import Recipe, Split, Task, TaskData, accuracy, cross_entropy, register_task

    def load(data_dir):
        return TaskData(train=Split(x, y), validation=Split(...), test=Split(...))

    register_task(Task("mine", load, num_outputs=5, loss=cross_entropy, metric=accuracy, recipe=Recipe(epochs=20)))

Then name it: ``run_search(task="mine", ...)``. From the command line, name the module and its variable: ``--task
my_module:TASK``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from mpnas_ray.checks import (
    make_plain,
    require_bool,
    require_callable,
    require_count,
    require_instance,
    require_number,
    require_one_of,
    require_text,
)
from mpnas_ray.errors import MPNASError, TaskError, UserCodeError
from mpnas_ray.names import no_such
from trainables.data_options import DataOptions, check_used, scheme_of
from trainables.recipe_options import RECIPE_OPTIONS, checked
from trainables.tasks.core.data import Split, TaskData, checked_data
from trainables.tasks.core.files import CarriedFile, DataFile
from trainables.tasks.core.metrics import Metric
from trainables.tasks.core.references import find_variable, module_reference, path_of_files
from trainables.user_code import defined_at, user_code_failed

__all__ = [
    "FixedScaling",
    "Recipe",
    "Split",
    "Task",
    "TaskData",
    "get_task",
    "register_scheme",
    "register_task",
    "task_names",
    "task_reference",
]

Scaling = Literal["none", "channel", "position"]
MakeOptimizer = Callable[..., torch.optim.Optimizer]
"""A class of `torch.optim`, or a function ``(parameters, *, lr, weight_decay) -> Optimizer``."""

MakeSchedule = Callable[[torch.optim.Optimizer, int], torch.optim.lr_scheduler.LRScheduler]
"""A function ``(optimizer, number of steps) -> LRScheduler``, a class of `torch.optim.lr_scheduler` for example."""


@dataclass(frozen=True)
class FixedScaling:
    """Published means and standard deviations of the channels, used instead of those of the training part.

    Attributes:
        mean: Mean of each channel.
        standard_deviation: Standard deviation of each channel, above 0.

    Raises:
        TaskError: If numbers are missing, or cannot be means and standard deviations.
    """

    mean: tuple[float, ...]
    standard_deviation: tuple[float, ...]

    def __post_init__(self) -> None:
        if not len(self.mean) == len(self.standard_deviation) > 0:
            raise TaskError(
                f"A FixedScaling has a mean and a standard deviation for each channel, not {len(self.mean)} and "
                f"{len(self.standard_deviation)}."
            )
        for mean, standard_deviation in zip(self.mean, self.standard_deviation, strict=True):
            require_number("FixedScaling.mean", mean, error=TaskError)
            require_number("FixedScaling.standard_deviation", standard_deviation, above=0, error=TaskError)

    def tensors(self, num_axes: int) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation, ``[channels, 1, ...]``, for inputs of ``num_axes`` axes besides the
        channels.
        """
        shape = (-1, *[1] * num_axes)
        return torch.tensor(self.mean).view(shape), torch.tensor(self.standard_deviation).view(shape)


@dataclass(frozen=True)
class Recipe:
    """The training of a network: by default, AdamW under a one-cycle schedule (Smith and Topin 2019).

    The defaults were measured on the small tasks: SGD was never competitive at this length.

    Attributes:
        epochs: Number of epochs, at least 1; schedules are stretched to it.
        batch_size: Samples of a step, at least 2, which batch norm needs.
        learning_rate: Peak of the one-cycle schedule, start of the others; above 0.
        weight_decay: Weight decay of all parameters; decoupled under AdamW and Lion, added to the gradient under the
            others. At least 0.
        optimizer: ``adamw``, ``adam``, ``sgd`` with Nesterov's momentum, ``rmsprop`` or ``lion``; or a class of
            `torch.optim`, or a function ``(parameters, *, lr, weight_decay) -> Optimizer``, whose state must be tensors
            and plain values.
        momentum: Momentum of SGD and of RMSprop, from 0 to below 1.
        schedule: ``one-cycle``, ``cosine`` (down to 0) or ``constant``, stepped each batch, or ``steps``, each epoch;
            or a function ``(optimizer, number of steps) -> LRScheduler``, which is stepped each batch.
        milestones: Shares of all epochs, 0 to 1, after which the learning rate falls under ``steps``.
        decay: Factor of the learning rate at each milestone, above 0 and at most 1.
        clip_norm: Longest gradient, all parameters together; longer ones are shortened to it. None for no limit.
        summed_loss: Multiply the loss by the size of the batch, since the published rate belongs to a sum.
        ema: Decay of a moving average of the weights over steps, above 0 and below 1; the averaged network is then
            scored and kept. None for none.
        patience: Epochs without a better validation score after which the training ends, at least 1; the network of
            the best epoch is then scored and kept. None for all epochs, and the last network.

    Raises:
        TaskError: If one is out of its range, or no optimiser or schedule has that name.
    """

    epochs: int = 15
    batch_size: int = 20
    learning_rate: float = 1e-2
    weight_decay: float = 1e-4
    optimizer: str | MakeOptimizer = "adamw"
    momentum: float = 0.9
    schedule: str | MakeSchedule = "one-cycle"
    milestones: tuple[float, ...] = ()
    decay: float = 0.2
    clip_norm: float | None = None
    summed_loss: bool = False
    ema: float | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        make_plain(self)
        for name in RECIPE_OPTIONS:
            value = getattr(self, name)
            is_function = name in ("optimizer", "schedule") and callable(value)
            if not is_function and not (value is None and name in ("ema", "patience")):
                checked(name, value)
        require_number("momentum", self.momentum, at_least=0, below=1, error=TaskError)
        if isinstance(self.milestones, str) or not isinstance(self.milestones, Sequence):
            raise TaskError(f"milestones must be shares of all epochs, such as (0.3, 0.6), not {self.milestones!r}.")
        for share in self.milestones:
            require_number("Each of milestones", share, at_least=0, at_most=1, error=TaskError)
        require_number("decay", self.decay, above=0, at_most=1, error=TaskError)
        if self.clip_norm is not None:
            require_number("clip_norm", self.clip_norm, above=0, error=TaskError)
        require_bool("summed_loss", self.summed_loss, error=TaskError)

    def to_plain(self) -> dict[str, Any]:
        """Return the values that JSON can hold, which records of trainings name: of a function, where it is defined.

        An average or a patience that is not wanted is left out, as in records from before there was one.
        """
        given = {**vars(self), "milestones": list(self.milestones)}
        return {
            name: _function_name(value) if callable(value) else value
            for name, value in given.items()
            if value is not None or name not in ("ema", "patience")
        }


@dataclass(frozen=True)
class Task:
    """A data set and all that is needed to train and judge a network on it.

    Attributes:
        name: Name for users and result files.
        load: Function that returns the data; its argument is the folder of the user's data files, or None for the
            default place.
        num_outputs: Number of classes, or of output channels if ``dense``.
        loss: ``(outputs, targets) -> scalar``, a mean over the batch, on decoded outputs.
        metric: Metric of validation and test scores, over a whole part at once.
        recipe: Recipe of a training, unless a trial's config changes it.
        dense: Whether a network predicts a value at every position.
        input_scaling: Standardise inputs by mean and standard deviation of each channel or of each position, over the
            training part, or by published ones.
        target_scaling: The same for targets; a network then predicts standardised values, which are decoded before the
            loss.
        coordinates: Give the network one more input channel for each axis, running from 0 to 1.
        augment: ``(encoded inputs, generator) -> inputs``, applied to each batch of training. Inputs are those that the
            network reads, standardised and on the device of the training, and stay as they are; the generator is on
            the CPU, and all that is random comes from it, so that a training that is resumed goes on as it was.
        mix: ``(encoded inputs, targets, generator) -> (inputs, targets)``, applied after ``augment`` where targets
            change, too, as by mixup; the loss must take such targets.
        protocol: Source of split, preprocessing and metric, if they are published.
        files: Files that the user has to get.
        description: One line for `mpnas tasks`.
        source: Origin of the data, and their licence.
        family: Name shared by tasks on data of one kind, all of which are held out together. If empty, the task's name.
        classes: Names of the classes in the order of their numbers, or of the labels; they go into the card of a saved
            network. Empty if they have none.
        step: ``(network, inputs, targets) -> loss``, the loss of a batch of training, in place of ``loss`` alone, as
            for a second term in it. The network is a module that takes inputs as ``augment`` leaves them, and gives
            decoded outputs; what is random comes from torch's own generator. None to compare outputs and targets.

    Raises:
        TaskError: If one of these is of a wrong type or out of range.
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
    mix: Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]] | None = None
    protocol: str = ""
    files: tuple[DataFile | CarriedFile, ...] = ()
    description: str = ""
    source: str = ""
    family: str = ""
    classes: tuple[str, ...] = ()
    step: Callable[[nn.Module, Tensor, Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        make_plain(self)
        require_text("The name of a task", self.name, error=TaskError)
        require_callable("load", self.load, "data_dir -> TaskData", error=TaskError)
        require_count("num_outputs", self.num_outputs, error=TaskError)
        require_callable("loss", self.loss, "outputs, targets -> scalar", error=TaskError)
        require_instance("metric", self.metric, Metric, error=TaskError)
        require_instance("recipe", self.recipe, Recipe, error=TaskError)
        require_bool("dense", self.dense, error=TaskError)
        if not isinstance(self.input_scaling, FixedScaling):
            require_one_of("input_scaling", self.input_scaling, get_args(Scaling), error=TaskError)
        require_one_of("target_scaling", self.target_scaling, get_args(Scaling), error=TaskError)
        require_bool("coordinates", self.coordinates, error=TaskError)
        if self.augment is not None:
            require_callable("augment", self.augment, "inputs, generator -> inputs", error=TaskError)
        if self.mix is not None:
            require_callable("mix", self.mix, "inputs, targets, generator -> inputs, targets", error=TaskError)
        if self.step is not None:
            require_callable("step", self.step, "network, inputs, targets -> loss", error=TaskError)
        if self.classes and len(self.classes) != self.num_outputs:
            raise TaskError(f"There are {len(self.classes)} names of classes, and num_outputs is {self.num_outputs}.")
        for file in self.files:
            if not isinstance(file, DataFile | CarriedFile):
                raise TaskError(f"files must be DataFiles and CarriedFiles, not {file!r}.")
        for name in ("protocol", "description", "source", "family"):
            if not isinstance(getattr(self, name), str):
                raise TaskError(f"{name} must be a text, not {getattr(self, name)!r}.")

    @property
    def metric_key(self) -> str:
        """Name of the validation score in a trial's results."""
        return f"validation_{self.metric.name}"

    def encoded_shape(self, data: TaskData) -> tuple[int, ...]:
        """Return the shape of one encoded sample: channels, those of coordinates included, and sides."""
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
        """Call `load`, and refuse data that no network could be trained on.

        Raises:
            TaskError: If the data are wrong; the message names the part, what was found and what was expected.
        """
        data = self.load_data(data_dir)
        return checked_data(
            data,
            self.name,
            num_outputs=self.num_outputs,
            dense=self.dense,
            loss=self.loss,
            metric=self.metric,
            num_scaled=len(self.input_scaling.mean) if isinstance(self.input_scaling, FixedScaling) else None,
            scaled_targets=self.target_scaling != "none",
        )


def _function_name(function: Callable[..., Any]) -> str:
    """Name a function, a class or a `functools.partial` of one, alike in all processes."""
    if isinstance(function, partial):
        return f"{_function_name(function.func)}, {function.args}, {function.keywords}"
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"


_TASKS: dict[str, Task] = {}

_SCHEMES: dict[str, Callable[[str, str, DataOptions], Task]] = {}
"""First word of ``images:FOLDER`` and the like -> what makes a task of the word, the absolute path and the options."""


def register_task(task: Task) -> Task:
    """Make a task known by its name in this process; `run_search` carries it to the workers.

    Raises:
        TaskError: If another task has that name.
    """
    if _TASKS.get(task.name, task) != task:
        raise TaskError(f"There is already a task {task.name!r}: give yours another name.")
    _TASKS[task.name] = task
    return task


def register_scheme(scheme: str, make: Callable[[str, str, DataOptions], Task]) -> None:
    """Say what makes the tasks of a scheme, one of `trainables.data_options.SCHEMES`."""
    _SCHEMES[scheme] = make


def task_names() -> list[str]:
    """List the names of all registered tasks."""
    return list(_TASKS)


def get_task(name: str, options: DataOptions | None = None) -> Task:
    """Return the task of that name; ``module:variable`` or ``file.py:variable`` imports it.

    ``images:FOLDER``, ``csv:FILE`` and ``npz:FILE`` read the files of a user.

    Args:
        name: Name of the task.
        options: Options of a task of files; the defaults if None.

    Raises:
        TaskError: If there is none, where the message lists those there are; if files are missing or damaged, or if
            the task does not use one of the options.
        UserCodeError: If the module fails when it is imported.
    """
    if not isinstance(name, str):
        raise TaskError(f"A task is a Task or its name, not {name!r}.")
    check_used(options or DataOptions(), name)
    if scheme := scheme_of(name):
        path = path_of_files(name)
        return _SCHEMES[scheme](scheme, str(path), options or DataOptions())
    if name in _TASKS:
        return _TASKS[name]
    if ":" not in name:
        raise TaskError(f"{no_such('task', name, _TASKS)} A task of yours is named module:variable.")
    return find_variable(name, Task)


def task_reference(name: str) -> str:
    """Return the name by which workers on other nodes find a task: that of its module instead of its file.

    Files of a task are named by their absolute path.

    Raises:
        TaskError: If it names a file that is not there, or that no worker would find.
    """
    if scheme_of(name):
        return f"{scheme_of(name)}:{path_of_files(name)}"
    return name if name in _TASKS else module_reference(name)
