"""Metrics and losses by name, against what they are defined to be."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from trainables import data_options
from trainables.tasks.sources.losses import (
    CrossEntropy,
    LabelLoss,
    OrdinalLoss,
    ValueLoss,
    balanced_weights,
    make_loss,
)
from trainables.tasks.sources.metrics import METRICS_BY_KIND

CLASSES = torch.tensor([0, 0, 0, 0, 1, 1, 2, 2])
LOGITS = torch.tensor(
    [[3.0, 1, 0], [2, 1, 0], [1, 2, 0], [4, 1, 0], [0, 3, 1], [2, 1, 0], [0, 1, 3], [1, 0, 2]]
)  # two are wrong: one of class 0, one of class 1


def test_every_name_has_a_metric_and_a_loss() -> None:
    assert {kind: tuple(metrics) for kind, metrics in METRICS_BY_KIND.items()} == data_options.METRICS
    for kind, names in data_options.LOSSES.items():
        outputs = torch.zeros(4, 2, requires_grad=True)
        targets = torch.tensor([0, 1, 1, 0]) if kind == "classes" else torch.tensor([[0.0, 1.0]] * 4)
        for name in names:
            loss = make_loss(name, (), (1.0, 1.0))
            assert loss(outputs, targets).ndim == 0
            assert pickle.loads(pickle.dumps(loss)) == loss


@pytest.mark.parametrize(
    ("name", "expected", "mode"),
    [
        ("accuracy", 6 / 8, "max"),
        ("error", 2 / 8, "min"),
        ("balanced_accuracy", (3 / 4 + 1 / 2 + 1) / 3, "max"),
        ("recall_macro", (3 / 4 + 1 / 2 + 1) / 3, "max"),
        ("precision_macro", (3 / 4 + 1 / 2 + 1) / 3, "max"),
        ("f1_macro", (3 / 4 + 1 / 2 + 1) / 3, "max"),
        ("f1_weighted", (4 * 3 / 4 + 2 * 1 / 2 + 2) / 8, "max"),
        ("cohen_kappa", (0.75 - 24 / 64) / (1 - 24 / 64), "max"),
    ],
)
def test_classes(name: str, expected: float, mode: str) -> None:
    metric = METRICS_BY_KIND["classes"][name]
    assert metric.mode == mode
    assert metric(LOGITS, CLASSES) == pytest.approx(expected)
    assert pickle.loads(pickle.dumps(metric))(LOGITS, CLASSES) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["auroc", "average_precision"])
def test_rankings_of_classes(name: str) -> None:
    """A perfect ranking is 1, a part without a class does not count it, and one with a single class has no value."""
    metric = METRICS_BY_KIND["classes"][name]
    assert metric(10 * F.one_hot(CLASSES).float(), CLASSES) == pytest.approx(1)
    assert metric(10 * F.one_hot(CLASSES).float()[:6], CLASSES[:6]) == pytest.approx(1)
    assert math.isnan(metric(LOGITS[:3], CLASSES[:3]))
    assert metric(torch.tensor([[0.0, 1], [0, 2], [0, 3]]), torch.tensor([0, 1, 0])) < 1


def test_order_counts_for_kappa_and_the_ordinal_loss() -> None:
    true = torch.tensor([0, 1, 2, 3] * 3)
    near, far = ((true + step).clamp(0, 3) for step in (1, 3))
    kappa = METRICS_BY_KIND["classes"]["quadratic_kappa"]
    assert kappa(F.one_hot(near, 4).float(), true) > kappa(F.one_hot(far, 4).float(), true)
    loss = OrdinalLoss()
    assert loss(50.0 * F.one_hot(true, 4), true).item() == pytest.approx(0)
    one_off = loss(50.0 * F.one_hot(torch.tensor([1])), torch.tensor([0]))
    assert one_off.item() == pytest.approx(1)
    two_off = loss(50.0 * F.one_hot(torch.tensor([2])), torch.tensor([0]))
    assert two_off.item() == pytest.approx(2)


def test_labels() -> None:
    outputs = torch.tensor([[1.0, -1], [1, 1], [-1, 1], [-1, -1]])
    targets = torch.tensor([[1.0, 0], [1, 1], [0, 0], [1, 0]])
    found = {name: metric(outputs, targets) for name, metric in METRICS_BY_KIND["labels"].items()}
    assert found["exact_match"] == pytest.approx(2 / 4)
    assert found["hamming_distance"] == pytest.approx(2 / 8)
    assert found["f1_macro"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert found["f1_micro"] == pytest.approx(6 / 8)
    assert 0.5 < found["auroc"] < 1


def test_values_also_at_every_position() -> None:
    generator = torch.Generator().manual_seed(0)
    targets = torch.randn(20, 2, 7, generator=generator) * torch.tensor([1.0, 100.0])[:, None]
    outputs = targets + torch.tensor([0.1, 10.0])[:, None]
    found = {name: metric(outputs, targets) for name, metric in METRICS_BY_KIND["values"].items()}
    assert found["mae"] == pytest.approx((0.1 + 10) / 2, rel=1e-5)
    assert found["mse"] == pytest.approx((0.01 + 100) / 2, rel=1e-5)
    assert found["pearson"] == pytest.approx(1)
    assert found["spearman"] == pytest.approx(1)
    assert found["explained_variance"] == pytest.approx(1)
    assert 0.98 < found["r2"] < 1
    assert METRICS_BY_KIND["values"]["spearman"](torch.zeros(5, 1), torch.arange(5.0)[:, None]) == 0


def test_balanced_weights_make_classes_count_the_same() -> None:
    weights = balanced_weights(CLASSES, "classes", 3)
    assert weights == pytest.approx((8 / 12, 8 / 6, 8 / 6))
    loss = CrossEntropy(weights)(LOGITS, CLASSES)
    of_each = F.cross_entropy(LOGITS, CLASSES, reduction="none")
    by_class = torch.stack([of_each[label == CLASSES].mean() for label in range(3)])
    torch.testing.assert_close(loss, by_class.mean())
    labels = torch.tensor([[1.0, 0], [0, 1], [0, 1], [0, 1]])
    assert balanced_weights(labels, "labels", 2) == pytest.approx((3, 1 / 3))
    assert LabelLoss((3.0, 1.0))(torch.zeros(4, 2), labels).item() == pytest.approx(
        math.log(2) * (3 + 3 + 4) / 8, rel=1e-6
    )


def test_values_count_the_same_whatever_their_units() -> None:
    outputs, targets = torch.randn(9, 2), torch.randn(9, 2)
    units = torch.tensor([1000.0, 0.001])
    for name in data_options.LOSSES["values"]:
        plain = ValueLoss(name, (1.0, 1.0))(outputs, targets)
        scaled = ValueLoss(name, (1000.0, 0.001))(outputs * units, targets * units)
        torch.testing.assert_close(plain, scaled)


@pytest.mark.parametrize("loss", [CrossEntropy((1.0, 2.0, 3.0)), OrdinalLoss((1.0, 2.0, 3.0)), OrdinalLoss()])
def test_shares_of_classes_are_targets_too(loss: CrossEntropy | OrdinalLoss) -> None:
    """As mixup makes them: those of one class are as its number, but for what a weighted mean is divided by."""
    single = F.one_hot(CLASSES, 3).float()
    for row in range(len(CLASSES)):
        expected, found = (
            loss(LOGITS[row : row + 1], CLASSES[row : row + 1]),
            loss(LOGITS[row : row + 1], single[row : row + 1]),
        )
        factor = loss.weights[int(CLASSES[row])] if isinstance(loss, CrossEntropy) else 1.0
        torch.testing.assert_close(found, expected * factor)
    assert np.isfinite(loss(LOGITS, single).item())
