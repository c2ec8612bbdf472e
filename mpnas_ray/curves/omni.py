"""OMNI (White et al. 2021): gradient boosting on an architecture, a zero-cost score and the beginning of its training.

NGBoost reads the adjacency one-hot encoding, jacob_cov and SoTL-E. The study standardises the last two; trees do not
depend on the scale of what they read. Hyperparameters are those of the predictor NGBoost
(`mpnas_ray.predictors.regression.estimators`), where the study draws 35 configurations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.checks import require_seed
from mpnas_ray.curves.partial import PartialCurves
from mpnas_ray.curves.scaling import without_outliers
from mpnas_ray.curves.training_speed import sotl_e
from mpnas_ray.errors import PredictorError
from mpnas_ray.predictors.encodings.vectors import encode
from mpnas_ray.predictors.regression.estimators import ESTIMATORS
from mpnas_ray.tables.normalization import normalize

__all__ = ["OMNI"]

_FEWEST = 2


class OMNI:
    """NGBoost on encoding, jacob_cov and SoTL-E, as a `CurveMethod`.

    The one column of the curves' ``features`` is jacob_cov: zero-cost scores are computed by whoever has the networks.
    A score that is not finite counts as the lowest.
    """

    def __init__(self, *, seed: int = 0) -> None:
        """Make a method that is not fitted yet.

        Args:
            seed: Seed of the boosting, below 2^32.

        Raises:
            PredictorError: If it is not such a whole number.
        """
        require_seed("seed", seed, at_most=2**32 - 1, error=PredictorError)
        self._seed = seed
        self._curves: PartialCurves | None = None
        self._scores: NDArray[np.float64] = np.empty(0)
        self._models: dict[int, _Model] = {}

    def fit(self, curves: PartialCurves, scores: NDArray[np.float64]) -> None:
        """See `CurveMethod.fit`. The model of this length is fitted now, those of shorter ones when asked for.

        Raises:
            PredictorError: If architectures or jacob_cov are missing, if there are fewer than two trainings, if a score
                is not finite, or if ngboost is not installed.
        """
        if len(curves) < _FEWEST or len(scores) != len(curves) or not np.isfinite(scores).all():
            raise PredictorError(
                f"OMNI learns from {_FEWEST} or more trainings and a finite score for each; got {len(curves)} and "
                f"scores of shape {list(scores.shape)}."
            )
        self._curves, self._scores, self._models = curves, scores, {}
        self._model(curves.scores.shape[1])

    def predict(self, curves: PartialCurves) -> NDArray[np.float64]:
        """See `CurveMethod.predict`.

        Raises:
            PredictorError: Before `fit`, for longer curves than those of `fit`, or without architectures or jacob_cov.
        """
        epochs = curves.scores.shape[1]
        if self._curves is None or epochs > self._curves.scores.shape[1]:
            raise PredictorError(
                f"OMNI was not fitted to trainings of {epochs} epochs or more, so it cannot judge such."
            )
        return np.where(curves.lengths > 0, self._model(epochs).predict(curves), -np.inf)

    def _model(self, epochs: int) -> _Model:
        assert self._curves is not None
        if epochs not in self._models:
            self._models[epochs] = _Model.fitted(self._curves.cut(epochs), self._scores, self._seed)
        return self._models[epochs]


@dataclass(frozen=True)
class _Model:
    """The regression for one length of curve, with the limits of jacob_cov and SoTL-E between which it was fitted."""

    regression: Any
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def fitted(cls, curves: PartialCurves, scores: NDArray[np.float64], seed: int) -> _Model:
        measured = without_outliers(_measured(curves), _measured(curves))
        all_missing = np.isnan(measured).all(axis=0)
        measured[:, all_missing] = 0.0
        low, high = np.nanmin(measured, axis=0), np.nanmax(measured, axis=0)
        return cls(ESTIMATORS["ngboost"].fit(_rows(curves, low, high), normalize(scores), seed), low, high)

    def predict(self, curves: PartialCurves) -> NDArray[np.float64]:
        return np.asarray(self.regression.predict(_rows(curves, self.low, self.high)), dtype=np.float64)


def _measured(curves: PartialCurves) -> NDArray[np.float64]:
    if curves.archs is None or curves.features is None or curves.features.shape[1] != 1:
        raise PredictorError(
            "OMNI reads architectures and, as their one feature, jacob_cov: PartialCurves(features=...)."
        )
    return np.column_stack([curves.features[:, 0], sotl_e(curves)])


def _rows(curves: PartialCurves, low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    measured = np.clip(np.nan_to_num(_measured(curves), nan=-np.inf), low, high)
    assert curves.archs is not None
    return np.concatenate([encode(curves.archs, "adjacency").astype(np.float64), measured], axis=1)
