from __future__ import annotations

import pytest

from mpnas_ray.tables import Kind
from searchers.model_based.metric_names import COST_WORDS, QUALITY_WORDS, kind_of_metric


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("validation_accuracy", "quality"),
        ("val_loss", "quality"),
        ("eval/top1", "quality"),
        ("test-error", "quality"),
        ("relative_l2", "quality"),
        ("mIoU", "quality"),
        ("latency", "cost"),
        ("inferenceTimeMs", "cost"),
        ("latency_ms", "cost"),
        ("energy.mJ", "cost"),
        ("num_params", "cost"),
        ("images/fps", "cost"),
        ("time_total_s", "cost"),
        ("objective", None),
        ("", None),
        ("m", None),
        ("accuracy_per_second", None),
        ("timeout", None),
    ],
)
def test_names(name: str, kind: Kind | None) -> None:
    assert kind_of_metric(name) == kind


def test_no_word_says_both() -> None:
    assert COST_WORDS.isdisjoint(QUALITY_WORDS)
