"""The kind of a metric, quality or cost of an architecture, as far as its name says so.

The two relate to architectures in opposite ways: what makes a network better mostly makes it dearer. So a predictor
that knows qualities and costs of other tasks begins better if it knows which of them it is asked for.
"""

from __future__ import annotations

import re

from mpnas_ray.tables import Kind

__all__ = ["COST_WORDS", "QUALITY_WORDS", "kind_of_metric"]

COST_WORDS = frozenset(
    (
        "latency",
        "time",
        "second",
        "seconds",
        "sec",
        "ms",
        "us",
        "duration",
        "runtime",
        "throughput",
        "fps",
        "ips",
        "energy",
        "power",
        "watts",
        "joules",
        "mj",
        "wh",
        "memory",
        "mem",
        "ram",
        "bytes",
        "kb",
        "mb",
        "gb",
        "params",
        "parameters",
        "flops",
        "macs",
        "madds",
        "size",
        "cost",
        "costs",
        "price",
        "carbon",
        "co2",
    )
)
"""Words of a name that stand for a cost; throughput too, which is one over a time."""

QUALITY_WORDS = frozenset(
    (
        "accuracy",
        "acc",
        "balanced",
        "top1",
        "top5",
        "f1",
        "auc",
        "auroc",
        "auprc",
        "ap",
        "map",
        "precision",
        "recall",
        "sensitivity",
        "specificity",
        "iou",
        "miou",
        "dice",
        "ssim",
        "psnr",
        "bleu",
        "rouge",
        "meteor",
        "score",
        "reward",
        "return",
        "r2",
        "loss",
        "error",
        "err",
        "rmse",
        "mse",
        "mae",
        "mape",
        "l1",
        "l2",
        "nll",
        "ce",
        "perplexity",
        "ppl",
        "wer",
        "cer",
        "correlation",
        "spearman",
        "kendall",
        "pearson",
    )
)
"""Words of a name that stand for a quality, high or low."""


def kind_of_metric(name: str) -> Kind | None:
    """Return the kind of a metric by the words of its name, such as ``eval/top1_accuracy`` or ``inferenceTimeMs``.

    Returns:
        ``quality`` or ``cost``; None if no word, or words of both kinds, are known.
    """
    spaced = f"{name} " + re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)  # ``mIoU`` is one word, ``inferenceTime`` two
    words = set(re.split(r"[^a-z0-9]+", spaced.lower()))
    quality, cost = bool(words & QUALITY_WORDS), bool(words & COST_WORDS)
    if quality == cost:
        return None
    return "quality" if quality else "cost"
