"""Fit a predictor to results, and check what it says."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.errors import PredictorError
from mpnas_ray.predictors import Evidential, GCNPredictor, MetaLearned, Predictor
from mpnas_ray.spaces import Architecture, Architectures
from searchers.model_based.ranking.base import RankingRequest
from searchers.model_based.ranking.transfer_check import TransferCheck

__all__ = ["fitted", "predicted_scores", "require_finite", "results_differ", "transfer_check"]


def fitted(predictor: Predictor | None, measured: Architectures, points: RankingRequest) -> Predictor:
    """Return a predictor that has learned from the points; a meta-learned one without any ranks zero-shot.

    Args:
        predictor: Left unchanged; None for a GCN from scratch.
        measured: Architectures of the points.
        points: The results.
    """
    if isinstance(predictor, MetaLearned):
        return predictor.adapt(measured, points.labels) if points.archs else predictor
    copied = GCNPredictor(seed=points.seed) if predictor is None else deepcopy(predictor)
    copied.fit(measured, points.labels)
    return copied


def predicted_scores(predictor: Predictor, archs: Sequence[Architecture]) -> NDArray[np.float64]:
    """Return the predicted scores of N architectures, ``[N]``.

    Raises:
        PredictorError: If they are something else than N finite numbers.
    """
    predicted = np.asarray(predictor.predict(archs), dtype=np.float64)
    require_finite(predictor, predicted, len(archs))
    return predicted


def results_differ(points: RankingRequest) -> bool:
    """Say whether there are results that are not all the same."""
    return len(points.archs) > 0 and bool(np.ptp(points.labels) > 0)


def transfer_check(predictor: Predictor, points: RankingRequest) -> TransferCheck | None:
    """Return the evidence for what was learned on other tasks; None where the predictor or the results say nothing."""
    if not isinstance(predictor, Evidential) or not results_differ(points):
        return None
    return TransferCheck(len(points.archs), predictor.transfer_odds())


def require_finite(predictor: object, predicted: NDArray[np.float64], num: int) -> None:
    """Refuse anything but a finite score for each of ``num`` architectures.

    Raises:
        PredictorError: Naming the predictor.
    """
    if predicted.shape != (num,) or not np.isfinite(predicted).all():
        raise PredictorError(
            f"{type(predictor).__name__} must give a finite score for each of {num} architectures; it gave shape "
            f"{list(predicted.shape)} with {np.isfinite(predicted).sum()} finite values."
        )
