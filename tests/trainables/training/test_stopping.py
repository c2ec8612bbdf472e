from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mpnas_ray.errors import UserCodeError
from trainables import Task, darcy_task
from trainables.training.data import PreparedData
from trainables.training.loop import Training
from trainables.training.stopping import BestEpoch
from trainables.tune.trial import run_epoch, score_test, write_checkpoint

ARCH = "mixed:nasbench101:|conv3-d1~0|maxpool~0|output~0~1~2|"
TINY = darcy_task("tiny", resolution=9, num_train=21, num_validation=10, num_test=10)


def training(data_dir: Path, task: Task = TINY) -> Training:
    return Training(ARCH, task, PreparedData(task, data_dir, torch.device("cpu")), preset="small")


@pytest.mark.parametrize(("mode", "best"), [("max", 2), ("min", 4)])
def test_the_best_epoch_is_the_first_of_the_best_scores(mode: str, best: int) -> None:
    network = nn.Linear(1, 1)
    found = BestEpoch(network, mode, patience=2)
    over = []
    for epoch, score in enumerate([0.5, 0.8, math.nan, 0.3, 0.8, 0.3], start=1):
        nn.init.constant_(network.weight, epoch)
        found.note(epoch, score, network)
        over.append(found.is_long_ago(epoch))
    assert found.epoch == best
    assert found.network.weight.item() == best
    assert over == {"max": [False] * 3 + [True] * 3, "min": [False, False, True, False, False, True]}[mode]


class Judge:
    """A metric that says what it is told, and the networks' predictions that it was shown."""

    def __init__(self, *scores: float) -> None:
        self.scores, self.seen = list(scores), list[Tensor]()

    def __call__(self, outputs: Tensor, targets: Tensor) -> float:
        self.seen.append(outputs.clone())
        return self.scores[len(self.seen) - 1]


@pytest.mark.parametrize("ema", [None, 0.9])
def test_a_training_ends_by_its_patience_with_the_network_of_its_best_epoch(
    data_dir: Path, tmp_path: Path, ema: float | None
) -> None:
    judge = Judge(0.3, 0.2, 0.25, 0.4, 0.1, 0.1)
    task = replace(
        TINY,
        metric=replace(TINY.metric, function=judge),
        recipe=replace(TINY.recipe, epochs=9, batch_size=5, patience=2, ema=ema),
    )
    mine, results = training(data_dir, task), []
    while not mine.finished:
        results.append(run_epoch(mine, results[-1] if results else {}))
    key = TINY.metric_key
    assert [result[key] for result in results] == [0.3, 0.2, 0.2, 0.2]
    assert [result["epoch_relative_l2"] for result in results] == [0.3, 0.2, 0.25, 0.4]
    assert [result["best_epoch"] for result in results] == [1, 2, 2, 2]
    assert [result["done"] for result in results] == [False, False, False, True]
    assert [result["epoch"] for result in results] == [1, 2, 3, 4]
    assert [result["training_iteration"] for result in results] == [1, 2, 3, 9], "it counts as a whole training"
    assert torch.equal(mine.predict("validation"), judge.seen[1])
    assert not torch.equal(mine.predict("validation"), judge.seen[3])

    config = {"arch": ARCH, "preset": "small", "data_dir": str(data_dir), **task.recipe.to_plain()}
    write_checkpoint(str(tmp_path), mine, config, results[-1])
    found = score_test(config, task, str(tmp_path), {"validation_relative_l2": 0.2})
    with torch.no_grad():
        outputs = found(task.load_checked(data_dir).validation.inputs)
    torch.testing.assert_close(outputs, judge.seen[1], rtol=1e-5, atol=1e-6)


def test_the_average_is_scored_and_kept(data_dir: Path) -> None:
    """It is not that of the last step, and the training goes on from the weights and not from it."""
    plain = training(data_dir)
    mean = training(data_dir, replace(TINY, recipe=replace(TINY.recipe, ema=0.95)))
    for _ in range(3):
        one, other = plain.run_epoch(), mean.run_epoch()
    assert one["train_loss"] == other["train_loss"]
    assert one[TINY.metric_key] != other[TINY.metric_key] == mean.score("validation")
    assert other.keys() == one.keys()
    assert mean.kept is not mean.network
    assert plain.kept is plain.network


def test_a_step_of_ones_own_makes_the_loss(data_dir: Path) -> None:
    """Twice the loss and a second term in its place; without one, the very loss of before."""
    seen: list[bool] = []

    def same(network: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
        seen.append(network.training)
        return TINY.loss(network(inputs), targets)

    def decayed(network: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
        length = sum(parameter.square().sum() for parameter in network.parameters())
        return 2 * TINY.loss(network(inputs), targets) + 0 * length + 1

    losses = {}
    for name, step in {"none": None, "same": same, "own": decayed}.items():
        mine = training(data_dir, replace(TINY, step=step, recipe=replace(TINY.recipe, batch_size=21)))
        losses[name] = mine.run_epoch()["train_loss"]
    assert losses["same"] == losses["none"]
    assert losses["own"] == pytest.approx(2 * losses["none"] + 1, rel=1e-6)
    assert seen == [True]


def test_a_step_that_gives_no_loss_is_named(data_dir: Path) -> None:
    for wrong in (lambda *given: None, lambda network, inputs, targets: network(inputs)):
        with pytest.raises(UserCodeError, match=r"step at .*test_stopping.py:\d+ must return the loss of the batch"):
            training(data_dir, replace(TINY, step=wrong)).run_epoch()
