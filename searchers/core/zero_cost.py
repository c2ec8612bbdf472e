"""Scores that cost no training: how searchers ask for them, and what they do beside a predictor.

A score (a zero-cost proxy, computed from an untrained network and one batch) comes from the side of the trainings as a
callable and takes from milliseconds to a second a network. It is therefore asked where rankings are made, beside the
trials, and only for as many candidates as a searcher says.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from mpnas_ray.checks import require_callable, require_count, require_number
from mpnas_ray.errors import PredictorError
from mpnas_ray.spaces import Architectures
from searchers.core.candidates import keys

__all__ = ["PriorScore", "Score", "fused", "prior_weight", "scores_of"]

logger = logging.getLogger(__name__)

Score = Callable[[Architectures], ArrayLike]
"""N architectures -> a number for each ``[N]``: higher is better; NaN or infinite where there is none."""

NUM_SCORED = 200
"""Of a predictor's ranking so many candidates, the best, are scored and put into a new order. On NAS-Bench-201 the best
4 % (200 of its different cells) gain nearly as much as all where a score helps, and lose less where it misleads."""

WORTH = 5.0
"""Results that a score is worth: of 1, 2, 5, 10 and 20 the best on five tasks of NAS-Bench-201 with naswot, see
benchmarks/results/naswot.md."""


def scores_of(score: Score, archs: Architectures) -> NDArray[np.float64]:
    """Scores ``[N]``, NaN where one is no finite number.

    Raises:
        PredictorError: If the callable gives something else than N numbers.
    """
    values = np.asarray(score(archs), dtype=np.float64)
    if values.shape != (len(archs),):
        raise PredictorError(
            f"A score takes N architectures and gives N numbers, NaN where it has none; for {len(archs)} it gave shape "
            f"{list(values.shape)}."
        )
    return np.where(np.isfinite(values), values, np.nan)


def prior_weight(num_points: int, meta_learned: bool) -> float:
    """Weight of a score in the mean with a predictor's rank, from 0 to 1.

    Both are weighed by the number of results that their knowledge is worth: the score by `WORTH`, the predictor by the
    results that it was fitted to, and a meta-learned one by `WORTH` more. So before the first result score and
    meta-learned predictor count alike, and a predictor that knows nothing yet does not count.

    Raises:
        SettingError: If ``num_points`` is not a whole number of at least 0.
    """
    require_count("num_points", num_points, 0)
    return WORTH / (WORTH + num_points + (WORTH if meta_learned else 0.0))


def fused(predicted: NDArray[np.float64], scores: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    """Weighted mean of two rankings of N architectures, ``[N]``: from 0 to 1, higher is better.

    Args:
        predicted: ``[N]``, higher is better.
        scores: ``[N]``, higher is better; NaN ranks last.
        weight: Of the scores, from 0 to 1.

    Raises:
        SettingError: If the weight is none.
    """
    require_number("weight", weight, at_least=0, at_most=1)
    return (1 - weight) * _quantiles(predicted) + weight * _quantiles(np.where(np.isnan(scores), -np.inf, scores))


def _quantiles(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 0 to 1 ``[N]``; ties share their mean."""
    ranks: NDArray[np.float64] = (rankdata(values) - 1) / max(len(values) - 1, 1)
    return ranks


class PriorScore:
    """A score as what is known of candidates before there are results; it is asked once for each architecture."""

    def __init__(self, score: Score) -> None:
        """Nothing is asked yet.

        Raises:
            SettingError: If the score cannot be called.
        """
        require_callable("score", score, "N architectures -> a number for each")
        self._score = score
        self._known: dict[int, float] = {}

    def reorder(
        self, order: NDArray[np.intp], archs: Architectures, num_points: int, *, meta_learned: bool
    ) -> tuple[NDArray[np.intp], int]:
        """An order in which the first `NUM_SCORED` candidates stand by the mean of their ranks, see `prior_weight`.

        A score that fails leaves the order as it was.

        Args:
            order: Rows of ``archs``, the best first, by a predictor that was fitted to ``num_points`` results.
            archs: The candidates.
            num_points: Number of results.
            meta_learned: Whether the predictor knows other tasks.

        Returns:
            The order, and how many candidates had no usable score.
        """
        first, rest = order[:NUM_SCORED], order[NUM_SCORED:]
        if not len(first):
            return order, 0
        try:
            scores = self._asked(archs[first])
        except Exception:
            logger.exception("The prior score failed, so proposals come as the predictor alone ranks them.")
            return order, len(first)
        mean = fused(-np.arange(len(first), dtype=np.float64), scores, prior_weight(num_points, meta_learned))
        return np.concatenate([first[np.argsort(-mean, kind="stable")], rest]), int(np.isnan(scores).sum())

    def __call__(self, archs: Architectures) -> NDArray[np.float64]:
        """Scores ``[N]``."""
        return self._asked(archs)

    def _asked(self, archs: Architectures) -> NDArray[np.float64]:
        texts = keys(archs, twins=True).tolist()
        new = np.array([row for row, key in enumerate(texts) if key not in self._known], dtype=np.intp)
        if len(new):
            self._known.update(
                zip((texts[row] for row in new), scores_of(self._score, archs[new]).tolist(), strict=True)
            )
        return np.array([self._known[key] for key in texts], dtype=np.float64)
