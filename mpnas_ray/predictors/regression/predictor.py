"""Predictors that fit a regression of `mpnas_ray.predictors.regression.estimators` to encoded architectures."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, get_args

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from mpnas_ray.checks import MOST_SEED, require_count, require_one_of, require_seed
from mpnas_ray.errors import MPNASError, PredictorError
from mpnas_ray.names import no_such
from mpnas_ray.predictors.encodings.vectors import Encoding, encode
from mpnas_ray.predictors.regression.estimators import ESTIMATORS
from mpnas_ray.predictors.support import measured, same_space, tensor_of_text, text_of_tensor, warn_nothing_to_learn
from mpnas_ray.spaces import Architecture, Architectures, get_space
from mpnas_ray.tables.normalization import normalize

__all__ = ["RegressionPredictor", "UncertainRegressionPredictor", "regression_predictor"]

Floats = NDArray[np.float64]


class RegressionPredictor:
    """A regression of scores, standardised without outliers (`mpnas_ray.tables.normalize`), on encoded architectures.

    With one score, or equal scores or architectures, there is nothing to learn: every prediction is 0, and a warning
    says so once.
    """

    def __init__(self, estimator: str, *, encoding: Encoding | None = None, seed: int = 0) -> None:
        """Take the estimator, before any score; `regression_predictor` makes one.

        Args:
            estimator: A name of `ESTIMATORS`.
            encoding: Encoding of the architectures; None for the one that goes with the estimator.
            seed: Seed of what is drawn when fitting, below 2^32: the same scores give the same predictor.

        Raises:
            PredictorError: If there is no such estimator or encoding, or the seed is out of its range.
        """
        if estimator not in ESTIMATORS:
            raise PredictorError(no_such("estimator", estimator, ESTIMATORS))
        if encoding is not None:
            require_one_of("encoding", encoding, get_args(Encoding), error=PredictorError)
        require_seed("seed", seed, at_most=MOST_SEED, error=PredictorError)
        self.estimator = estimator
        self.encoding: Encoding = encoding or ESTIMATORS[estimator].encoding
        self.seed = seed
        self._support: Architectures | None = None
        self._scores: Floats = np.empty(0)
        self._columns: NDArray[np.intp] = np.empty(0, dtype=np.intp)
        self._model: Any = None

    def fit(self, archs: Sequence[Architecture], scores: ArrayLike) -> None:
        """Learn from N measured architectures of one space; see `Predictor.fit`.

        Raises:
            PredictorError: If there is none, if numbers differ, if a score is not finite, or if the estimator's library
                is not installed.
        """
        support, values = measured(archs, scores)
        rows = encode(support, self.encoding)
        columns = np.flatnonzero(rows.min(axis=0) != rows.max(axis=0))
        model = None
        if len(columns) and values.min() < values.max():
            inputs, targets = rows[:, columns].astype(np.float64), normalize(values)
            with _one_thread():
                model = ESTIMATORS[self.estimator].fit(inputs, targets, self.seed)
        else:
            warn_nothing_to_learn(self.estimator)
        self._support, self._scores, self._columns, self._model = support, values, columns, model

    def predict(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Predict in standard deviations of the measured scores, ``[N]``; see `Predictor.predict`.

        Raises:
            PredictorError: Before `fit`, or for architectures of another space.
        """
        rows = self._rows(archs)
        if self._model is None or not len(rows):
            return np.zeros(len(rows))
        with _one_thread():
            return np.asarray(self._model.predict(rows), dtype=np.float64)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the measured architectures, their scores and the seed, on the CPU: `load` fits to them again."""
        support = self._known()
        return {
            "space": tensor_of_text(support.space.name),
            "codes": torch.from_numpy(support.codes.copy()),
            "scores": torch.from_numpy(self._scores.copy()),
            "seed": torch.tensor(self.seed),
        }

    def load(self, state: dict[str, Tensor]) -> None:
        """Learn what a predictor of the same estimator and encoding had learned when it gave this state.

        Raises:
            PredictorError: If tensors are missing or of other shapes; this predictor is then as before.
        """
        before = self.seed
        try:
            support = Architectures(get_space(text_of_tensor(state["space"])), state["codes"].numpy().copy())
            self.seed = int(state["seed"])
            self.fit(support, state["scores"].numpy())
        except (KeyError, ValueError, MPNASError) as error:
            self.seed = before
            raise PredictorError(f"This is not the state of a {self.estimator} predictor: {error}") from error

    def _known(self) -> Architectures:
        if self._support is None:
            raise PredictorError("This predictor has seen no scores yet: call fit first.")
        return self._support

    def _rows(self, archs: Sequence[Architecture]) -> Floats:
        """Encode architectures, without the columns that did not vary among the measured ones."""
        listed = same_space(archs, self._known().space.name)
        return encode(listed, self.encoding)[:, self._columns].astype(np.float64)


class UncertainRegressionPredictor(RegressionPredictor):
    """A `RegressionPredictor` whose estimator knows its uncertainty. With nothing to learn, each is 1."""

    def predict_with_std(self, archs: Sequence[Architecture]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict scores, see `predict`, and their standard deviations, each ``[N]``.

        Over the trees of a forest, of the coefficients of a linear regression; NGBoost's is that of a new measurement.

        Raises:
            PredictorError: Before `fit`, or for architectures of another space.
        """
        rows, std = self._rows(archs), ESTIMATORS[self.estimator].std
        if self._model is None or not len(rows) or std is None:
            return np.zeros(len(rows)), np.ones(len(rows))
        with _one_thread():
            return self.predict(archs), std(self._model, rows)

    def sample_scores(self, archs: Sequence[Architecture], num_samples: int, rng: Generator) -> NDArray[np.float64]:
        """Draw functions that the scores may be, at N architectures: ``[num_samples, N]``.

        NGBoost's are independent from one architecture to the next, as in the paper of BANANAS (independent Thompson
        sampling); the others vary as their trees or linear functions do.

        Raises:
            PredictorError: Before `fit`, for architectures of another space, or for less than one function.
        """
        require_count("num_samples", num_samples, error=PredictorError)
        rows, functions = self._rows(archs), ESTIMATORS[self.estimator].functions
        if self._model is None or not len(rows) or functions is None:
            return rng.standard_normal((num_samples, len(rows)))
        with _one_thread():
            return functions(self._model, rows, num_samples, rng)


def regression_predictor(estimator: str, *, encoding: Encoding | None = None, seed: int = 0) -> RegressionPredictor:
    """Make a predictor by the name of its estimator; it knows its uncertainty if the estimator does.

    Args:
        estimator: A name of `ESTIMATORS`.
        encoding: Encoding of the architectures; None for the one that goes with the estimator.
        seed: Seed of what is drawn when fitting.

    Raises:
        PredictorError: If there is no such estimator.
    """
    known = ESTIMATORS.get(estimator)
    made = RegressionPredictor if known is None or known.functions is None else UncertainRegressionPredictor
    return made(estimator, encoding=encoding, seed=seed)


def _one_thread() -> Any:
    return import_module("threadpoolctl").threadpool_limits(1)  # scikit-learn needs it: it is there
