"""Losses and metrics against values by hand and against scikit-learn; recipes against Table 10."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score
from torch import Tensor, nn

from mpnas_ray.errors import TaskError
from trainables import (
    FocalLoss,
    Metric,
    Recipe,
    RelativeLp,
    Split,
    Task,
    TaskData,
    cross_entropy,
    darcy_task,
    error_rate,
    get_task,
    record_f1_error,
)
from trainables.tasks.core.metrics import majority_vote
from trainables.tasks.datasets.cifar import AlterImages
from trainables.training.data import PreparedData
from trainables.training.loop import Training
from trainables.training.optimisation import make_optimizer, make_schedule

ARCH = "mixed:nasbench101:|conv3-d1~0|maxpool~0|output~0~1~2|"


def test_focal_loss_by_hand() -> None:
    outputs = torch.log(torch.tensor([[0.25, 0.75], [0.9, 0.1]]))
    targets = torch.tensor([1, 1])
    expected = (6 * 0.25**3 * -math.log(0.75) + 6 * 0.9**3 * -math.log(0.1)) / 2
    assert float(FocalLoss(gamma=3, alpha=6)(outputs, targets)) == pytest.approx(expected, rel=1e-5)
    logits, labels = torch.randn(50, 7, dtype=torch.float64), torch.randint(7, (50,))
    torch.testing.assert_close(FocalLoss(0, 1)(logits, labels), cross_entropy(logits, labels))
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: FocalLoss(2.0, 0.5)(x, labels), logits)


def test_relative_lp_by_hand() -> None:
    targets, outputs = torch.tensor([[3.0, -4.0]]), torch.tensor([[1.0, -1.0]])
    assert float(RelativeLp(1)(outputs, targets)) == pytest.approx(5 / 7)
    assert float(RelativeLp(2)(outputs, targets)) == pytest.approx(math.sqrt(13) / 5)
    assert float(RelativeLp(math.inf)(outputs, targets)) == pytest.approx(3 / 4)


def test_error_rate_by_hand() -> None:
    outputs = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [0.0, 3.0]])
    assert error_rate(outputs, torch.tensor([0, 1, 1, 1])) == pytest.approx(0.25)
    assert error_rate.mode == "min"


def test_majority_votes_ties_go_to_the_class_that_comes_first() -> None:
    groups = torch.tensor([7, 7, 7, 3, 3, 3, 3, 9, 9])
    classes = torch.tensor([1, 0, 1, 2, 0, 0, 2, 3, 1])
    assert majority_vote(classes, groups).tolist() == [2, 1, 3]  # of groups 3, 7 and 9


def test_record_f1_is_over_records_and_all_classes() -> None:
    # Records 0 to 3 are of classes 0, 1, 2, 2; windows vote 0, 0, 2, 2.
    groups = torch.tensor([0, 0, 0, 1, 1, 1, 2, 3, 3, 3])
    targets = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2, 2])
    windows = torch.tensor([0, 0, 1, 0, 0, 1, 2, 2, 2, 0])
    outputs = torch.nn.functional.one_hot(windows, 4).float()
    # F1 of class 0 is 2/3, of 1 is 0, of 2 is 1, and of 3, which is neither there nor predicted, 0.
    assert record_f1_error(outputs, targets, groups) == pytest.approx(1 - (2 / 3 + 0 + 1 + 0) / 4)
    by_sklearn = f1_score([0, 1, 2, 2], [0, 0, 2, 2], labels=[0, 1, 2, 3], average="macro", zero_division=0)
    assert record_f1_error(outputs, targets, groups) == pytest.approx(1 - by_sklearn)
    with pytest.raises(TaskError, match="needs the groups"):
        record_f1_error(outputs, targets)


def grouped_task(**changes: Any) -> Task:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(24) % 2
    inputs = torch.randn(24, 1, 6, 6, generator=generator) + labels[:, None, None, None]
    split = Split(inputs, labels, torch.arange(24) // 4)
    seen = Metric("seen", "max", lambda outputs, targets, groups: float(groups.max()), grouped=True)
    recipe = Recipe(
        epochs=4, batch_size=6, learning_rate=0.05, optimizer="sgd", schedule="steps", milestones=(0.5,), clip_norm=0.5
    )
    task = Task("grouped", lambda _: TaskData(split, split, split), 2, cross_entropy, seen, recipe)
    return replace(task, **changes)


def test_a_metric_gets_the_groups_of_the_part_it_scores() -> None:
    task = grouped_task()
    training = Training(ARCH, task, PreparedData(task, None, torch.device("cpu")), preset="small")
    assert training.run_epoch()["validation_seen"] == 5


@pytest.mark.parametrize("epochs", [4, 200])
def test_sgd_under_steps_is_what_torch_makes_of_it(epochs: int) -> None:
    recipe = replace(get_task("ecg").recipe, epochs=epochs)
    weight = nn.Parameter(torch.zeros(()))
    optimizer = make_optimizer(recipe, [weight])
    schedule = make_schedule(recipe, optimizer, steps_per_epoch=3)
    assert isinstance(optimizer, torch.optim.SGD)
    assert optimizer.defaults["nesterov"]
    rates = []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        for _ in range(3):
            weight.grad = torch.ones(())
            optimizer.step()
            schedule.step()
    falls = [epoch for epoch in range(1, epochs) if rates[epoch] < rates[epoch - 1]]
    if epochs == 200:
        assert falls == [30, 60, 90, 120, 160]
        assert rates[-1] == pytest.approx(0.1 * 0.2**5)
    else:
        assert falls == [1, 2, 3]  # shares of 4 epochs, rounded


@pytest.mark.parametrize(
    ("name", "batch_size", "learning_rate", "falls", "loss", "metric"),
    [
        ("cifar100", 64, 0.1, [60, 120, 160], cross_entropy, "error"),
        ("spherical", 64, 0.1, [60, 120, 160], cross_entropy, "error"),
        ("darcy-421", 10, 0.01, [60, 120, 160], RelativeLp(2.0), "relative_l2"),
        ("ninapro", 128, 0.1, [60, 120, 160], FocalLoss(0.0, 1.0), "error"),
        ("ecg", 1024, 0.1, [30, 60, 90, 120, 160], cross_entropy, "record_f1_error"),
        ("satellite", 256, 0.1, [30, 60, 90, 120, 160], cross_entropy, "error"),
    ],
)
def test_full_tasks_have_the_recipe_of_table_10(
    name: str, batch_size: int, learning_rate: float, falls: list[int], loss: Any, metric: str
) -> None:
    task = get_task(name)
    recipe = task.recipe
    assert (recipe.epochs, recipe.batch_size, recipe.learning_rate) == (200, batch_size, learning_rate)
    assert (recipe.optimizer, recipe.momentum, recipe.weight_decay, recipe.clip_norm) == ("sgd", 0.9, 5e-4, None)
    assert [round(200 * share) for share in recipe.milestones] == falls
    assert (task.loss, task.metric.name, task.metric.mode, task.protocol) == (loss, metric, "min", "nb360")
    assert recipe.summed_loss == (name == "darcy-421")


def test_unknown_optimisers_and_schedules_are_refused() -> None:
    weight = nn.Parameter(torch.zeros(()))
    with pytest.raises(TaskError, match="adamw, adam, sgd, rmsprop and lion"):
        make_optimizer(replace(Recipe(), optimizer="adagrad"), [weight])
    optimizer = make_optimizer(Recipe(), [weight])
    with pytest.raises(TaskError, match="one-cycle, cosine, constant and steps"):
        make_schedule(replace(Recipe(), schedule="plateau"), optimizer, 1)


def weights(training: Training) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in training.network.parameters()])


def first_step(recipe: Recipe, data_dir: Path) -> float:
    """How far one step of SGD without momentum and decay moves the weights."""
    task = darcy_task("tiny", resolution=9, num_train=21, num_validation=10, num_test=10)
    recipe = replace(recipe, epochs=1, batch_size=21, optimizer="sgd", momentum=0.0, weight_decay=0.0, schedule="steps")
    prepared = PreparedData(task, data_dir, torch.device("cpu"))
    training = Training(ARCH, task, prepared, preset="small", recipe=recipe)
    before = weights(training)
    training.run_epoch()
    after = weights(training)
    return float((after - before).norm())


def test_summed_losses_and_clipped_gradients(data_dir: Path) -> None:
    mean = first_step(Recipe(learning_rate=1e-3), data_dir)
    assert first_step(Recipe(learning_rate=1e-3, summed_loss=True), data_dir) == pytest.approx(21 * mean, rel=1e-3)
    length = mean / 1e-3
    assert first_step(Recipe(learning_rate=1e-3, clip_norm=length / 10), data_dir) == pytest.approx(mean / 10, rel=1e-3)
    assert first_step(Recipe(learning_rate=1e-3, clip_norm=length * 10), data_dir) == pytest.approx(mean, rel=1e-4)


def test_sgd_with_steps_clipping_and_altered_images_continues_bit_for_bit() -> None:
    task = grouped_task(augment=AlterImages(padding=1, cutout=2, black=(0.0,)))
    prepared = PreparedData(task, None, torch.device("cpu"))

    def make() -> Training:
        return Training(ARCH, task, prepared, preset="small")

    straight, stopped = make(), make()
    for _ in range(4):
        straight.run_epoch()
    stopped.run_epoch()
    continued = make()
    continued.load_state_dict(stopped.state_dict())
    torch.manual_seed(999)
    for _ in range(3):
        continued.run_epoch()
    for name, tensor in straight.network.state_dict().items():
        assert torch.equal(tensor, continued.network.state_dict()[name]), name
    plain = grouped_task()
    other = Training(ARCH, plain, PreparedData(plain, None, torch.device("cpu")), preset="small")
    for _ in range(4):
        other.run_epoch()
    assert not torch.equal(weights(straight), weights(other)), "images are altered"


def test_metrics_see_the_whole_part_at_once() -> None:
    rng = np.random.default_rng(0)
    outputs, targets = torch.from_numpy(rng.normal(size=(303, 5))), torch.from_numpy(rng.integers(5, size=303))
    batches = [error_rate(o, t) for o, t in zip(outputs.split(100), targets.split(100), strict=True)]
    assert error_rate(outputs, targets) != pytest.approx(float(np.mean(batches)), abs=1e-6)
    assert error_rate(outputs, targets) == pytest.approx(float((outputs.argmax(1) != targets).double().mean()))
