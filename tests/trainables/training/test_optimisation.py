from __future__ import annotations

import json
import math
import sys
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from mpnas_ray.errors import TaskError, UserCodeError
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


@pytest.mark.parametrize("interrupted_after", [None, 1, 40])
def test_cosine_falls_to_nothing(interrupted_after: int | None) -> None:
    """The schedule of Loshchilov and Hutter 2017, Eq. 5, without restarts."""
    found = rates(Recipe(epochs=20, learning_rate=0.1, schedule="cosine"), 5, interrupted_after)
    assert found == pytest.approx([0.05 * (1 + math.cos(math.pi * step / 100)) for step in range(100)], abs=1e-12)


def test_constant_stays() -> None:
    assert set(rates(Recipe(epochs=3, learning_rate=0.1, schedule="constant"), 5)) == {0.1}


def steps(recipe: Recipe, start: list[float], gradients: list[list[float]]) -> list[list[float]]:
    """The weights after each of some steps."""
    weights = nn.Parameter(torch.tensor(start, dtype=torch.float64))
    optimizer = make_optimizer(recipe, [weights])
    found = []
    for gradient in gradients:
        weights.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
        found.append(weights.tolist())
    return found


def test_adam_adds_its_decay_to_the_gradient() -> None:
    """Kingma and Ba 2015: its first step is the rate, whatever the length of the gradient."""
    recipe = Recipe(optimizer="adam", learning_rate=0.1, weight_decay=0.5)
    (found,) = steps(recipe, [1.0, 2.0, -1.0], [[4.0, -9.0, 0.5]])  # with the decay: 4.5, -8, 0
    assert found == pytest.approx([0.9, 2.1, -1.0], abs=1e-7)


def test_rmsprop_has_momentum() -> None:
    """Tieleman and Hinton 2012, as torch does it: v <- .99 v + .01 g^2, b <- m b + g / sqrt(v), w <- w - rate b."""
    recipe = Recipe(optimizer="rmsprop", learning_rate=0.01, weight_decay=0.0, momentum=0.5)
    first, second = steps(recipe, [1.0], [[2.0], [1.0]])
    assert first == pytest.approx([1 - 0.01 * 10], abs=1e-7)  # v = .04, b = 2 / .2
    assert second == pytest.approx([0.9 - 0.01 * (0.5 * 10 + 1 / math.sqrt(0.99 * 0.04 + 0.01))], abs=1e-7)


def test_lion_takes_the_sign_of_a_mixed_momentum() -> None:
    """Chen et al. 2023, Algorithm 2: w <- w - rate (sign(.9 m + .1 g) + decay w), m <- .99 m + .01 g."""
    pytest.importorskip("lion_pytorch", reason="needs lion-pytorch: the extra lion")
    recipe = Recipe(optimizer="lion", learning_rate=0.1, weight_decay=0.5)
    first, second = steps(recipe, [1.0, -2.0], [[3.0, -4.0], [-0.2, 1.0]])
    assert first == pytest.approx([1 * 0.95 - 0.1, -2 * 0.95 + 0.1])
    # m = (.03, -.04): .9 m + .1 g = (.007, .064)
    assert second == pytest.approx([0.85 * 0.95 - 0.1, -1.8 * 0.95 - 0.1])


def test_lion_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lion_pytorch", None)
    with pytest.raises(TaskError, match=r"lion needs lion_pytorch: pip install 'mpnas-ray\[lion\]'"):
        Recipe(optimizer="lion")


def test_functions_of_ones_own_are_given_rate_and_decay_and_the_number_of_steps() -> None:
    recipe = Recipe(
        epochs=4,
        learning_rate=0.3,
        weight_decay=0.2,
        optimizer=partial(torch.optim.NAdam, betas=(0.5, 0.6)),
    )
    optimizer = make_optimizer(recipe, iter([nn.Parameter(torch.zeros(1))]))
    (group,) = optimizer.param_groups
    assert isinstance(optimizer, torch.optim.NAdam)
    assert (group["lr"], group["weight_decay"], group["betas"]) == (0.3, 0.2, (0.5, 0.6))
    seen: list[Any] = []

    def linear(optimizer: torch.optim.Optimizer, num_steps: int) -> torch.optim.lr_scheduler.LRScheduler:
        seen.append(num_steps)
        return torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=num_steps)

    assert rates(Recipe(epochs=4, learning_rate=0.4, schedule=linear), 1) == pytest.approx([0.4, 0.3, 0.2, 0.1])
    assert seen == [4]
    assert json.dumps(recipe.to_plain())  # records of trainings name them
    assert "NAdam" in recipe.to_plain()["optimizer"]


def test_functions_that_make_something_else_are_named() -> None:
    weights, optimizer = [nn.Parameter(torch.zeros(1))], make_optimizer(Recipe(), [nn.Parameter(torch.zeros(1))])
    with pytest.raises(UserCodeError, match=r"optimizer of the recipe at .*test_optimisation.py:\d+ returned .* str;"):
        make_optimizer(Recipe(optimizer=lambda parameters, lr, weight_decay: "adam"), weights)  # type: ignore[arg-type, return-value]
    with pytest.raises(UserCodeError, match=r"optimizer of the recipe failed.*weight_decay"):
        make_optimizer(Recipe(optimizer=lambda parameters, lr: None), weights)  # type: ignore[arg-type, return-value]
    with pytest.raises(UserCodeError, match="ReduceLROnPlateau"):
        make_schedule(
            Recipe(schedule=lambda optimizer, _: torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)), optimizer, 1
        )
    with pytest.raises(UserCodeError, match="must return an object of torch's class LRScheduler"):
        make_schedule(Recipe(schedule=lambda optimizer, num_steps: None), optimizer, 1)  # type: ignore[arg-type, return-value]


def test_records_of_a_recipe_without_new_values_are_those_of_before() -> None:
    """Work that was kept under them is found again."""
    assert Recipe(milestones=(0.5,)).to_plain() == {
        "epochs": 15,
        "batch_size": 20,
        "learning_rate": 0.01,
        "weight_decay": 0.0001,
        "optimizer": "adamw",
        "momentum": 0.9,
        "schedule": "one-cycle",
        "milestones": [0.5],
        "decay": 0.2,
        "clip_norm": None,
        "summed_loss": False,
    }
