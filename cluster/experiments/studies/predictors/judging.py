"""Judge rankings of the predictor study: how well they agree with what was measured, and what they take."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.experiments.studies.predictors.targets import Draw
from mpnas_ray.stats import kendall, spearman

__all__ = ["Agreement", "Measurement", "Ranking", "agreement", "judged", "measured"]


@dataclass(frozen=True)
class Agreement:
    """The agreement of a ranking with the measured one.

    Attributes:
        kendall: Tau-b, -1 to 1; 0 where the ranking has no order at all.
        spearman: Rank correlation, likewise.
        judged: Number of architectures.
    """

    kendall: float
    spearman: float
    judged: int


@dataclass(frozen=True)
class Measurement:
    """The outcome of a method with one training set.

    Attributes:
        size: Number of training architectures; 0 if it needs none.
        epochs: Epochs that it saw of each judged architecture; 0 if it needs none.
        uniform: Agreement on uniformly drawn architectures.
        mutants: Agreement on mutants of the best of the training set; None where there are none, or no training set.
        setup_seconds: CPU time of fitting, without the training of the architectures.
        query_seconds: CPU time for one architecture, without its epochs.
    """

    size: int
    epochs: int
    uniform: Agreement
    mutants: Agreement | None
    setup_seconds: float
    query_seconds: float

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Measurement:
        """Invert `dataclasses.asdict`, through JSON."""
        mutants = values["mutants"]
        return cls(
            **{
                **values,
                "uniform": Agreement(**values["uniform"]),
                "mutants": None if mutants is None else Agreement(**mutants),
            }
        )


Ranking = Callable[[NDArray[np.int64]], NDArray[np.float64]]
"""Rows of a target -> predicted scores; higher is better."""


def measured(draw: Draw, size: int, setup: Callable[[], Ranking]) -> Measurement:
    """Set a method up, which is timed, and judge it.

    Args:
        draw: Architectures to judge on.
        size: Size of the training set; there are no mutants without one.
        setup: Fits the method.
    """
    start = time.process_time()
    ranking = setup()
    return judged(draw, size, 0, ranking, time.process_time() - start)


def judged(draw: Draw, size: int, epochs: int, ranking: Ranking, setup_seconds: float) -> Measurement:
    """Judge a method that is set up; arguments as `Measurement` has them."""
    start = time.process_time()
    predicted = ranking(draw.test)
    seconds = (time.process_time() - start) / len(draw.test)
    rows = draw.mutants(size) if size and not epochs else None
    return Measurement(
        size,
        epochs,
        agreement(predicted, draw.target.scores[draw.test]),
        None if rows is None or len(rows) < 2 else agreement(ranking(rows), draw.target.scores[rows]),
        setup_seconds,
        query_seconds=seconds,
    )


def agreement(predicted: NDArray[np.float64], scores: NDArray[np.float64]) -> Agreement:
    """Compare N predicted scores with N measured ones; what is not finite ranks last."""
    finite = np.isfinite(predicted)
    lowest = predicted[finite].min() - 1.0 if finite.any() else 0.0
    ranked = np.where(finite, predicted, lowest)
    return Agreement(kendall(ranked, scores), float(spearman(ranked, scores)), len(scores))
