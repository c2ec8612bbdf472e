from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from trainables.tasks.core.recipes import table10_recipe
from trainables.tasks.core.task import Recipe
from trainables.training.optimisation import make_optimizer, make_schedule


def rates(recipe: Recipe, steps_per_epoch: int, interrupted_after: int | None = None) -> list[float]:
    """Learning rate of each step; after so many, both states go through `state_dict` into new objects."""

    def made() -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
        optimizer = make_optimizer(recipe, [nn.Parameter(torch.zeros(1))])
        return optimizer, make_schedule(recipe, optimizer, steps_per_epoch)

    optimizer, schedule = made()
    found = []
    for step in range(recipe.epochs * steps_per_epoch):
        if step == interrupted_after:
            states = optimizer.state_dict(), schedule.state_dict()
            optimizer, schedule = made()
            optimizer.load_state_dict(states[0])
            schedule.load_state_dict(states[1])
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


@pytest.mark.parametrize("interrupted_after", [None, 1, 200, 481])
def test_steps_fall_after_the_epochs_of_table_10(interrupted_after: int | None) -> None:
    """200 epochs of 3 steps; exactly the powers of 0.2, where `MultiStepLR` differs in the last bit."""
    expected = [0.1 * 0.2 ** sum(step // 3 >= fall for fall in (60, 120, 160)) for step in range(600)]
    assert rates(table10_recipe(64, 0.1), 3, interrupted_after) == expected


@pytest.mark.parametrize("interrupted_after", [None, 1, 40])
def test_one_cycle_rises_for_three_tenths_and_falls_along_cosines(interrupted_after: int | None) -> None:
    """The schedule of Smith and Topin with the values of `OneCycleLR`: from 1/25 of the peak, to 4e-6 of it."""
    total, peak = 100, 0.01

    def cosine(start: float, end: float, done: float) -> float:
        return end + (start - end) * (1 + math.cos(math.pi * done)) / 2

    rise = 0.3 * total - 1
    expected = [
        cosine(peak / 25, peak, step / rise) if step <= rise else cosine(peak, peak / 25e4, (step - rise) / (99 - rise))
        for step in range(total)
    ]
    found = rates(Recipe(epochs=20, learning_rate=peak), 5, interrupted_after)
    assert found == pytest.approx(expected, rel=1e-12)
