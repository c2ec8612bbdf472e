"""Measure how well a ranking agrees with the table: Spearman correlations over draws of fine-tuning models."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.experiments.protocol.free_rankings import Ranker
from cluster.experiments.protocol.splits import Split, draw
from mpnas_ray.errors import PredictorError
from mpnas_ray.stats import spearman
from mpnas_ray.tables import TableTask

__all__ = ["CURVES", "DRAWS", "Measurement", "draws_of", "measure"]

DRAWS = {0: 1, 5: 10, 10: 10, 25: 10, 50: 10}
"""Number of fine-tuning models -> number of draws. Without any there is nothing to draw."""

_FIVE = {0: 1, 5: 10}

_FEWER = {
    "maml": _FIVE,
    "anil": _FIVE,
    "pretraining": _FIVE,
    "transfer": _FIVE,
    "random": {5: 10, 10: 5, 25: 5, 50: 5},
}
"""Draws of the methods that a study draws less often: adapting by gradient takes seconds a draw."""

CURVES = ("mixture", "boil", "random")
"""Methods of figure 2."""


@dataclass(frozen=True)
class Measurement:
    """The draws of one target, row and number of fine-tuning models.

    Attributes:
        target: Task that was judged on.
        row: Label of the ranking, e.g. ``boil``.
        points: Number of fine-tuning models.
        values: Spearman correlation of each draw, over its query architectures.
        adapt_seconds: Seconds of fine-tuning in one draw, mean.
        predict_seconds: Seconds of ranking in one draw, mean.
    """

    target: str
    row: str
    points: int
    values: tuple[float, ...]
    adapt_seconds: float
    predict_seconds: float

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Measurement:
        """Invert `dataclasses.asdict`, through JSON."""
        return cls(**{**values, "values": tuple(values["values"])})


def draws_of(target: str, split: Split, method: str, *, across_spaces: bool = False) -> dict[int, int]:
    """Number of fine-tuning models -> number of draws, for a target and the name of a unit's method."""
    if across_spaces and method != "mixture":
        return _FIVE
    if method == "mixture" and target.startswith("nasbench201/") and split == "random":
        return {**DRAWS, 100: 5}  # for figure 2
    return _FEWER.get(method, DRAWS)


def measure(
    target: TableTask, rows: NDArray[np.int64], split: Split, draws: Mapping[int, int], row: str, ranker: Ranker
) -> list[Measurement]:
    """Judge one ranker on a target.

    Args:
        target: Its scores are the truth.
        rows: Architectures of it that may be tested on.
        split: Split; with ``class``, architectures isomorphic to fine-tuning models are not judged.
        draws: Number of fine-tuning models -> number of draws.
        row: Label of the ranker.
        ranker: As it is before fine-tuning; never modified.

    Raises:
        PredictorError: If a predicted score is not finite.
    """
    measurements = []
    for points, num_draws in draws.items():
        values, adapting, predicting = [], 0.0, 0.0
        for number in range(num_draws):
            drawn = draw(target, rows, split, points, number)
            start = time.perf_counter()
            adapted = ranker
            if points:
                adapted = ranker.adapt(target.archs[drawn.support], target.scores[drawn.support])
            between = time.perf_counter()
            predicted = adapted.predict(target.archs[drawn.query])
            adapting += between - start
            predicting += time.perf_counter() - between
            if not np.isfinite(predicted).all():
                raise PredictorError(f"{row} predicts scores of {target.name} that are not finite.")
            values.append(spearman(predicted, target.scores[drawn.query]))
        measurements.append(
            Measurement(target.name, row, points, tuple(values), adapting / num_draws, predicting / num_draws)
        )
    return measurements
