"""The optimiser and the schedule that a recipe names, or makes by functions of the user's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, TypeVar

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from mpnas_ray.errors import UserCodeError
from mpnas_ray.optimizers import SGD, Adam, AdamW, RMSprop
from trainables.tasks.core.task import Recipe
from trainables.user_code import defined_at, user_code_failed

__all__ = ["make_optimizer", "make_schedule"]

T = TypeVar("T")


def make_optimizer(recipe: Recipe, parameters: Iterable[nn.Parameter]) -> Optimizer:
    """Make the recipe's optimiser.

    ``adamw``, ``adam``, ``sgd`` (with Nesterov's momentum) and ``rmsprop`` are torch's; ``lion`` is that of Chen et al.
    2023, as lion-pytorch has it.

    Raises:
        UserCodeError: If the recipe's function fails, or returns no optimiser.
    """
    rate, decay = recipe.learning_rate, recipe.weight_decay
    if not isinstance(recipe.optimizer, str):
        made = _called("optimizer", recipe.optimizer, list(parameters), lr=rate, weight_decay=decay)
        return _of_kind(made, Optimizer, "optimizer", recipe.optimizer)
    if recipe.optimizer == "adamw":
        return AdamW(parameters, lr=rate, weight_decay=decay, fused=True)
    if recipe.optimizer == "adam":
        return Adam(parameters, lr=rate, weight_decay=decay, fused=True)
    if recipe.optimizer == "rmsprop":
        return RMSprop(parameters, lr=rate, momentum=recipe.momentum, weight_decay=decay)
    if recipe.optimizer == "lion":
        made = import_module("lion_pytorch").Lion(list(parameters), lr=rate, weight_decay=decay)
        return _of_kind(made, Optimizer, "optimizer", None)
    nesterov = recipe.momentum > 0
    return SGD(parameters, lr=rate, momentum=recipe.momentum, weight_decay=decay, nesterov=nesterov, fused=True)


def make_schedule(recipe: Recipe, optimizer: Optimizer, steps_per_epoch: int) -> LRScheduler:
    """Make the recipe's schedule, which is stepped after each batch.

    Raises:
        UserCodeError: If the recipe's function fails, or returns no schedule of steps.
    """
    total = recipe.epochs * steps_per_epoch
    if not isinstance(recipe.schedule, str):
        made = _called("schedule", recipe.schedule, optimizer, total)
        if isinstance(made, ReduceLROnPlateau):
            raise UserCodeError("schedule returned a ReduceLROnPlateau, which looks at scores and not at steps.")
        return _of_kind(made, LRScheduler, "schedule", recipe.schedule)
    if recipe.schedule == "one-cycle":
        return OneCycleLR(optimizer, max_lr=recipe.learning_rate, total_steps=total, cycle_momentum=False)
    if recipe.schedule == "cosine":
        return CosineAnnealingLR(optimizer, T_max=total)
    if recipe.schedule == "constant":
        return LambdaLR(optimizer, lambda step: 1.0)
    falls = [round(share * recipe.epochs) * steps_per_epoch for share in recipe.milestones]
    return LambdaLR(optimizer, lambda step: recipe.decay ** sum(step >= fall for fall in falls))


def _called(name: str, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    try:
        return function(*arguments, **named)
    except Exception as error:
        raise user_code_failed(f"{name} of the recipe failed", error, function) from error


def _of_kind(made: Any, kind: type[T], name: str, function: Callable[..., Any] | None) -> T:
    if not isinstance(made, kind):
        where = defined_at(function)
        raise UserCodeError(
            f"{name} of the recipe{f' at {where}' if where else ''} returned a value of type {type(made).__name__}; it "
            f"must return an object of torch's class {kind.__name__}."
        )
    return made
