"""Options of the training of each network: values in place of those of a task's recipe.

They stand here, away from torch, since a command shows them before anything heavy is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from mpnas_ray.checks import require_count, require_number, require_one_of
from mpnas_ray.errors import TaskError
from mpnas_ray.extras import require_extra

__all__ = ["OPTIMIZERS", "RECIPE_OPTIONS", "SCHEDULES", "RecipeOptions", "checked"]

OPTIMIZERS = ("adamw", "adam", "sgd", "rmsprop", "lion")
"""Names of optimisers, `trainables.training.optimisation`."""

SCHEDULES = ("one-cycle", "cosine", "constant", "steps")
"""Names of schedules of the learning rate, in the same module."""


@dataclass(frozen=True, kw_only=True)
class RecipeOptions:
    """Options of the training of each network.

    Attributes:
        epochs: Epochs of each training; by default the task's own number.
        batch_size: Samples of a step of each training; by default the task's own number.
        optimizer: Optimiser of each training; by default the task's own, for most adamw.
        learning_rate: Learning rate of each training, at the peak of its schedule; by default the task's own, which
            was chosen for the task's own optimiser.
        weight_decay: Weight decay of each training; by default the task's own.
        schedule: Course of the learning rate over each training; by default the task's own, for most one-cycle.
        ema: Decay of a moving average of the weights, such as 0.999. The averaged network is then scored and kept; by
            default there is none.
        patience: Epochs without a better validation score after which a training ends; the network of its best epoch
            is then scored and kept. By default trainings go through all epochs, and the last network is kept.

    Raises:
        TaskError: If a number is out of its range, or nothing has such a name.
    """

    epochs: int | None = None
    batch_size: int | None = None
    optimizer: str | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    schedule: str | None = None
    ema: float | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        for name, value in self.recipe.items():
            object.__setattr__(self, name, checked(name, value))

    @property
    def recipe(self) -> dict[str, Any]:
        """The values that are given in place of those of the task's recipe, by name."""
        given = {name: getattr(self, name) for name in RECIPE_OPTIONS}
        return {name: value for name, value in given.items() if value is not None}


RECIPE_OPTIONS = tuple(option.name for option in fields(RecipeOptions))
"""Names of the options, which are those of fields of a `Recipe` and of entries of a trial's config."""


def checked(name: str, value: Any) -> Any:
    """Return the value of an option of that name as a plain one.

    Raises:
        TaskError: If the value is out of its range, or nothing has such a name.
    """
    return _CHECKS[name](value)


def _batch_size(value: Any) -> int:
    size = require_count("batch_size", value, error=TaskError)
    if size == 1:
        raise TaskError("batch_size must be at least 2, not 1: batch norm needs batches of at least 2 samples.")
    return size


def _optimizer(value: Any) -> str:
    require_one_of("optimizer", value, OPTIMIZERS, error=TaskError)
    if value == "lion":
        require_extra("lion", "lion_pytorch", to="The optimiser lion", error=TaskError)
    return str(value)


def _schedule(value: Any) -> str:
    require_one_of("schedule", value, SCHEDULES, error=TaskError)
    return str(value)


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "epochs": partial(require_count, "epochs", error=TaskError),
    "batch_size": _batch_size,
    "optimizer": _optimizer,
    "learning_rate": partial(require_number, "learning_rate", above=0, error=TaskError),
    "weight_decay": partial(require_number, "weight_decay", at_least=0, error=TaskError),
    "schedule": _schedule,
    "ema": partial(require_number, "ema", above=0, below=1, error=TaskError),
    "patience": partial(require_count, "patience", error=TaskError),
}
"""Name of an option -> function that checks its value and returns it as a plain one."""
