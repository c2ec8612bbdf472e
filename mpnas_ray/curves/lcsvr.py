"""LcSVR: support vector regression on partial curves (Baker et al. 2017, "Accelerating neural architecture search using
performance prediction").

nu-SVR with an RBF kernel reads the validation curve, its first and second differences, its mean and standard deviation
(as in White et al. 2021), the counts of the architecture's operations and what else is known of the training; all are
standardised, and what is an outlier among the trainings that it learns from is clipped. There is one model for each
length of curve. C and gamma (log-uniform) and nu (uniform) are the best of a random search by 3-fold cross-validation,
over the ranges of the study.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.checks import require_count, require_seed
from mpnas_ray.curves.partial import PartialCurves, carried_forward
from mpnas_ray.curves.scaling import without_outliers
from mpnas_ray.errors import PredictorError
from mpnas_ray.predictors.encodings.operation_counts import operation_counts
from mpnas_ray.tables.normalization import normalize

__all__ = ["LcSVR"]

_NUM_CONFIGURATIONS = 100
"""Ours: the paper draws 1,000, which takes ten times as long."""

_FEWEST = 6
"""Two in each fold."""


class LcSVR:
    """Support vector regression on partial curves, as a `CurveMethod`."""

    def __init__(self, *, num_configurations: int = _NUM_CONFIGURATIONS, seed: int = 0) -> None:
        """Make a method that is not fitted yet.

        Args:
            num_configurations: Hyperparameters to draw.
            seed: Seed of the draw and of the folds, below 2^32.

        Raises:
            PredictorError: If a number is out of its range.
        """
        require_count("num_configurations", num_configurations, error=PredictorError)
        require_seed("seed", seed, at_most=2**32 - 1, error=PredictorError)
        self._num_configurations, self._seed = num_configurations, seed
        self._curves: PartialCurves | None = None
        self._scores: NDArray[np.float64] = np.empty(0)
        self._models: dict[int, Any] = {}

    def fit(self, curves: PartialCurves, scores: NDArray[np.float64]) -> None:
        """See `CurveMethod.fit`. The model of this length is fitted now, those of shorter ones when asked for.

        Raises:
            PredictorError: If there are fewer than six trainings with a value, or a score is not finite.
        """
        usable = curves.lengths > 0
        if usable.sum() < _FEWEST or len(scores) != len(curves) or not np.isfinite(scores).all():
            raise PredictorError(
                f"LcSVR learns from {_FEWEST} or more trainings and a finite score for each; got {int(usable.sum())} "
                f"and scores of shape {list(scores.shape)}."
            )
        self._curves, self._scores, self._models = curves[usable], scores[usable], {}
        self._model(curves.scores.shape[1])

    def predict(self, curves: PartialCurves) -> NDArray[np.float64]:
        """See `CurveMethod.predict`.

        Raises:
            PredictorError: Before `fit`, or for curves that are longer than those of `fit`.
        """
        epochs = curves.scores.shape[1]
        if self._curves is None or epochs > self._curves.scores.shape[1]:
            raise PredictorError(
                f"LcSVR was not fitted to trainings of {epochs} epochs or more, so it cannot judge such."
            )
        usable = curves.lengths > 0
        found = np.full(len(curves), -np.inf)
        if usable.any():
            found[usable] = self._model(epochs).predict(_rows(curves[usable], self._curves.cut(epochs)))
        return found

    def _model(self, epochs: int) -> Any:
        assert self._curves is not None
        if epochs not in self._models:
            known = self._curves.cut(epochs)
            self._models[epochs] = self._fitted(_rows(known, known))
        return self._models[epochs]

    def _fitted(self, rows: NDArray[np.float64]) -> Any:
        from scipy.stats import loguniform, uniform
        from sklearn.compose import TransformedTargetRegressor
        from sklearn.model_selection import KFold, RandomizedSearchCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import NuSVR

        svr = make_pipeline(StandardScaler(), TransformedTargetRegressor(NuSVR(), transformer=StandardScaler()))
        prefix = "transformedtargetregressor__regressor__"
        search = RandomizedSearchCV(
            svr,
            {
                f"{prefix}C": loguniform(1e-5, 10),
                f"{prefix}gamma": loguniform(1e-5, 10),
                f"{prefix}nu": uniform(1e-3, 1 - 1e-3),
            },
            n_iter=self._num_configurations,
            cv=KFold(3, shuffle=True, random_state=self._seed),
            scoring="neg_mean_squared_error",
            random_state=self._seed,
        )
        return search.fit(rows, normalize(self._scores)).best_estimator_


def _rows(curves: PartialCurves, known: PartialCurves) -> NDArray[np.float64]:
    """Return what the regression reads of each training, ``[N, F]``; an unknown feature is 0.

    What is an outlier among the ``known`` trainings is clipped, and a power of two divides all scores, so that squares
    neither overflow nor vanish.
    """
    usual = without_outliers(known.scores, known.scores)
    scores = carried_forward(without_outliers(curves.scores, known.scores))
    scores = np.ldexp(scores, -np.frexp(np.nanmax(np.abs(usual)))[1])
    parts = [scores, np.diff(scores, axis=1), np.diff(scores, n=2, axis=1)]
    parts += [scores.mean(axis=1, keepdims=True), scores.std(axis=1, keepdims=True)]
    if curves.archs is not None:
        parts.append(operation_counts(curves.archs))
    if curves.features is not None:
        features = curves.features if known.features is None else without_outliers(curves.features, known.features)
        parts.append(np.nan_to_num(features, nan=0.0, posinf=0.0, neginf=0.0))
    return np.concatenate(parts, axis=1)
