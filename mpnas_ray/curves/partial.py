"""The beginnings of trainings, as the methods that judge them read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.checks import require_count
from mpnas_ray.errors import PredictorError
from mpnas_ray.spaces import Architectures
from mpnas_ray.tables import LearningCurves

__all__ = ["CurveMethod", "PartialCurves", "carried_forward", "final_scores"]


@dataclass(frozen=True, eq=False)
class PartialCurves:
    """N trainings on one task, each up to some epoch.

    Attributes:
        scores: After each epoch, higher is better, float64 ``[N, e]``. NaN (or infinite) is not measured: the end of a
            training that is shorter than others, or a gap.
        train_losses: Means over each epoch, lower is better, float64 ``[N, e]``; NaN likewise.
        num_epochs: Number of epochs of a full training, at least e.
        archs: The architecture of each training; None if they are not known.
        features: Other numbers known of each training, as features or zero-cost scores, float64 ``[N, H]``; None for
            none.

    Raises:
        PredictorError: If shapes do not fit together.
    """

    scores: NDArray[np.float64]
    train_losses: NDArray[np.float64]
    num_epochs: int
    archs: Architectures | None = None
    features: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        require_count("num_epochs", self.num_epochs, error=PredictorError)
        shape = self.scores.shape
        if len(shape) != 2 or self.train_losses.shape != shape or not 1 <= shape[1] <= self.num_epochs:
            raise PredictorError(
                f"Partial curves have scores and train losses of one shape [trainings, epochs], with 1 to "
                f"{self.num_epochs} epochs; got {list(shape)} and {list(self.train_losses.shape)}."
            )
        for name, rows in (("architectures", self.archs), ("rows of features", self.features)):
            if rows is not None and len(rows) != shape[0]:
                raise PredictorError(f"{shape[0]} partial curves, but {len(rows)} {name}.")

    @classmethod
    def of(cls, curves: LearningCurves, epoch: int | None = None) -> PartialCurves:
        """Take the curves of a table, up to some epoch or, if it is None, whole."""
        whole = cls(
            scores=curves.scores if curves.mode == "max" else -curves.scores,
            train_losses=curves.train_losses,
            num_epochs=curves.scores.shape[1],
            archs=curves.archs,
        )
        return whole if epoch is None else whole.cut(epoch)

    def cut(self, epoch: int) -> PartialCurves:
        """Cut the curves after ``epoch`` epochs.

        Raises:
            PredictorError: If that is not a whole number of at least 1.
        """
        require_count("epoch", epoch, error=PredictorError)
        return PartialCurves(
            self.scores[:, :epoch], self.train_losses[:, :epoch], self.num_epochs, self.archs, self.features
        )

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: NDArray[np.integer] | NDArray[np.bool_] | slice) -> PartialCurves:
        """Select some of the trainings."""
        return PartialCurves(
            self.scores[rows],
            self.train_losses[rows],
            self.num_epochs,
            None if self.archs is None else self.archs[rows],
            None if self.features is None else self.features[rows],
        )

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of epochs up to the last that has a score, int64 ``[N]``; 0 if none has."""
        measured = np.isfinite(self.scores)
        last = measured.shape[1] - np.argmax(measured[:, ::-1], axis=1)
        return np.where(measured.any(axis=1), last, 0).astype(np.int64)


class CurveMethod(Protocol):
    """A method that judges partially trained networks."""

    def fit(self, curves: PartialCurves, scores: NDArray[np.float64]) -> None:
        """Learn from completed trainings, where the method learns at all; a method that does not ignores them.

        Args:
            curves: Curves of N trainings, at least as long as those that will be judged; they are cut to that length.
            scores: Final scores of the trainings, finite, higher is better, ``[N]``.

        Raises:
            PredictorError: If there are fewer than the method needs.
        """
        ...

    def predict(self, curves: PartialCurves) -> NDArray[np.float64]:
        """Predict how good each training will turn out, ``[N]``; higher is better, only the order counts.

        A gap takes the value before it, or where there is none the one after it; a training without any score yet is
        -inf.
        """
        ...


def carried_forward(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fill what is not finite in ``[N, e]`` with the value before, at the beginning with the first; NaN if all are."""
    rows, epochs = np.arange(len(values))[:, None], np.arange(values.shape[1])
    measured = np.isfinite(values)
    before = np.maximum.accumulate(np.where(measured, epochs, -1), axis=1)
    source = np.where(before >= 0, before, np.argmax(measured, axis=1)[:, None])
    filled = values[rows, source]
    return np.where(measured.any(axis=1, keepdims=True), filled, np.nan)


def final_scores(curves: LearningCurves) -> NDArray[np.float64]:
    """Return the final scores of a table's trainings, higher is better, ``[N]``; NaN where the loss was not finite."""
    last = curves.scores[:, -1]
    return last if curves.mode == "max" else -last
