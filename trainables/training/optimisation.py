"""The optimiser and the schedule that a recipe names."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from mpnas_ray.optimizers import SGD, AdamW
from trainables.tasks.core.task import Recipe

__all__ = ["make_optimizer", "make_schedule"]


def make_optimizer(recipe: Recipe, parameters: Iterable[nn.Parameter]) -> Optimizer:
    """Make the recipe's optimiser: AdamW, or SGD with Nesterov's momentum."""
    rate, decay = recipe.learning_rate, recipe.weight_decay
    if recipe.optimizer == "adamw":
        return AdamW(parameters, lr=rate, weight_decay=decay, fused=True)
    nesterov = recipe.momentum > 0
    return SGD(parameters, lr=rate, momentum=recipe.momentum, weight_decay=decay, nesterov=nesterov, fused=True)


def make_schedule(recipe: Recipe, optimizer: Optimizer, steps_per_epoch: int) -> LRScheduler:
    """Make the recipe's schedule, which is stepped after each batch."""
    if recipe.schedule == "one-cycle":
        total = recipe.epochs * steps_per_epoch
        return OneCycleLR(optimizer, max_lr=recipe.learning_rate, total_steps=total, cycle_momentum=False)
    falls = [round(share * recipe.epochs) * steps_per_epoch for share in recipe.milestones]
    return LambdaLR(optimizer, lambda step: recipe.decay ** sum(step >= fall for fall in falls))
