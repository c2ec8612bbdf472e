"""Metrics by torchmetrics' names, computed by scikit-learn, over a whole part at once.

torchmetrics itself would take 9 MB and one second more of each process, beside scikit-learn, which is there.

Classes are judged by outputs ``[N, classes]`` (logits) and targets int64 ``[N]``; labels by outputs ``[N, labels]``
(logits, a label is predicted above 0) and targets ``[N, labels]`` of 0 and 1; values by outputs and targets ``[N,
values]`` or ``[N, values, *positions]``, each value counting the same. What a part cannot tell of, such as the area
under the curve of a class that it does not hold, is left out of the mean.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from trainables.tasks.core.metrics import Metric, accuracy, error_rate

__all__ = ["METRICS_BY_KIND"]

Scores = NDArray[np.float64]


def _sklearn(name: str, *arguments: Any, **settings: Any) -> float:
    from sklearn import metrics  # a second to import, which most processes need not

    return float(getattr(metrics, name)(*arguments, **settings))


def _of_classes(outputs: Tensor, targets: Tensor, *, score: str, **settings: Any) -> float:
    """Judge the class with the highest logit; the classes that a mean is over are those of the targets."""
    true, predicted = targets.cpu().numpy(), outputs.argmax(dim=1).cpu().numpy()
    if "average" in settings:
        settings |= {"labels": np.unique(true), "zero_division": 0.0}
    return _sklearn(score, true, predicted, **settings)


def _balanced_accuracy(outputs: Tensor, targets: Tensor) -> float:
    return _of_classes(outputs, targets, score="recall_score", average="macro")


def _ranking_of_classes(outputs: Tensor, targets: Tensor, *, score: str) -> float:
    """Judge how the probabilities of each class rank its samples against the others."""
    probabilities = outputs.double().softmax(dim=1).cpu().numpy()
    true = targets.cpu().numpy()
    if probabilities.shape[1] == 2:
        return _mean_over_columns(probabilities[:, 1:], (true == 1)[:, None], score)
    return _mean_over_columns(probabilities, true[:, None] == np.arange(probabilities.shape[1]), score)


def _ranking_of_labels(outputs: Tensor, targets: Tensor, *, score: str) -> float:
    return _mean_over_columns(outputs.double().cpu().numpy(), targets.cpu().numpy() > 0, score)


def _mean_over_columns(scores: Scores, true: NDArray[np.bool_], name: str) -> float:
    """Average over the columns that hold both what is true and what is not; NaN if there is none."""
    values = [
        _sklearn(name, true[:, column], scores[:, column])
        for column in range(scores.shape[1])
        if 0 < true[:, column].sum() < len(true)
    ]
    return float(np.mean(values)) if values else float("nan")


def _of_labels(outputs: Tensor, targets: Tensor, *, score: str, **settings: Any) -> float:
    return _sklearn(score, (targets > 0).cpu().numpy(), (outputs > 0).cpu().numpy(), **settings)


def _of_values(outputs: Tensor, targets: Tensor, *, score: str) -> float:
    return _sklearn(score, _columns(targets), _columns(outputs))


def _correlation(outputs: Tensor, targets: Tensor, *, score: str) -> float:
    """Average over the values that differ between samples; NaN if none does, 0 for a constant prediction."""
    from scipy import stats  # as above

    correlation = getattr(stats, score)
    values = [
        0.0 if np.ptp(predicted) == 0 else float(correlation(true, predicted).statistic)
        for true, predicted in zip(_columns(targets).T, _columns(outputs).T, strict=True)
        if np.ptp(true) > 0
    ]
    return float(np.mean(values)) if values else float("nan")


def _columns(values: Tensor) -> Scores:
    """Lay values out as ``[N x positions, values]``."""
    flat: Scores = values.double().movedim(1, -1).reshape(-1, values.shape[1]).cpu().numpy()
    return flat


def _highest(name: str, function: Callable[..., float], **settings: Any) -> Metric:
    return Metric(name, "max", partial(function, **settings) if settings else function)


def _lowest(name: str, function: Callable[..., float], **settings: Any) -> Metric:
    return Metric(name, "min", partial(function, **settings) if settings else function)


_CLASSES = (
    accuracy,
    error_rate,
    _highest("balanced_accuracy", _balanced_accuracy),
    _highest("f1_macro", _of_classes, score="f1_score", average="macro"),
    _highest("f1_weighted", _of_classes, score="f1_score", average="weighted"),
    _highest("precision_macro", _of_classes, score="precision_score", average="macro"),
    _highest("recall_macro", _of_classes, score="recall_score", average="macro"),
    _highest("auroc", _ranking_of_classes, score="roc_auc_score"),
    _highest("average_precision", _ranking_of_classes, score="average_precision_score"),
    _highest("cohen_kappa", _of_classes, score="cohen_kappa_score"),
    _highest("quadratic_kappa", _of_classes, score="cohen_kappa_score", weights="quadratic"),
    _highest("matthews_corrcoef", _of_classes, score="matthews_corrcoef"),
)

_LABELS = (
    _highest("f1_macro", _of_labels, score="f1_score", average="macro", zero_division=0.0),
    _highest("f1_micro", _of_labels, score="f1_score", average="micro", zero_division=0.0),
    _highest("auroc", _ranking_of_labels, score="roc_auc_score"),
    _highest("average_precision", _ranking_of_labels, score="average_precision_score"),
    _highest("exact_match", _of_labels, score="accuracy_score"),
    _lowest("hamming_distance", _of_labels, score="hamming_loss"),
)

_VALUES = (
    _lowest("mae", _of_values, score="mean_absolute_error"),
    _lowest("mse", _of_values, score="mean_squared_error"),
    _lowest("rmse", _of_values, score="root_mean_squared_error"),
    _highest("r2", _of_values, score="r2_score"),
    _highest("pearson", _correlation, score="pearsonr"),
    _highest("spearman", _correlation, score="spearmanr"),
    _highest("explained_variance", _of_values, score="explained_variance_score"),
)

METRICS_BY_KIND: dict[str, dict[str, Metric]] = {
    kind: {metric.name: metric for metric in metrics}
    for kind, metrics in (("classes", _CLASSES), ("labels", _LABELS), ("values", _VALUES))
}
"""Kind of targets -> name -> metric: those of `trainables.data_options.METRICS`."""
