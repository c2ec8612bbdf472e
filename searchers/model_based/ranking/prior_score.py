"""A zero-cost score beside a predictor: the two rankings are fused, and the score fades as results come in."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from mpnas_ray.checks import require_callable, require_count, require_number
from mpnas_ray.spaces import Architectures
from searchers.core.zero_cost import Score, scores_of

__all__ = ["NUM_SCORED", "WORTH", "PriorScore", "fused", "prior_weight"]

logger = logging.getLogger(__name__)

NUM_SCORED = 200
"""Number of candidates, the best of a predictor's ranking, that are scored and put into a new order. On NAS-Bench-201
the best 4 % (200 of its different cells) gain nearly as much as all where a score helps, and lose less where it
misleads."""

WORTH = 5.0
"""Number of results that a score is worth: of 1, 2, 5, 10 and 20 the best on five tasks of NAS-Bench-201 with naswot,
see benchmarks/results/naswot.md."""


def prior_weight(num_points: int, meta_learned: bool) -> float:
    """Return the weight of a score in the mean with a predictor's rank, from 0 to 1.

    Both are weighed by the number of results that their knowledge is worth: the score by `WORTH`, the predictor by the
    results that it was fitted to, and a meta-learned one by `WORTH` more. So before the first result score and
    meta-learned predictor count alike, and a predictor that knows nothing yet does not count.

    Raises:
        SettingError: If ``num_points`` is not a whole number of at least 0.
    """
    require_count("num_points", num_points, 0)
    return WORTH / (WORTH + num_points + (WORTH if meta_learned else 0.0))


def fused(predicted: NDArray[np.float64], scores: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    """Return the weighted mean of two rankings of N architectures, ``[N]``: from 0 to 1, higher is better.

    Args:
        predicted: Predicted scores ``[N]``, higher is better.
        scores: Zero-cost scores ``[N]``, higher is better; NaN ranks last.
        weight: Weight of the scores, from 0 to 1.

    Raises:
        SettingError: If the weight is none.
    """
    require_number("weight", weight, at_least=0, at_most=1)
    return (1 - weight) * _quantiles(predicted) + weight * _quantiles(np.where(np.isnan(scores), -np.inf, scores))


def _quantiles(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks from 0 to 1 ``[N]``; ties share their mean."""
    ranks: NDArray[np.float64] = (rankdata(values) - 1) / max(len(values) - 1, 1)
    return ranks


class PriorScore:
    """A score that is asked once for each architecture and reorders the best of a predictor's ranking."""

    def __init__(self, score: Score) -> None:
        """Keep the score; nothing is asked yet.

        Raises:
            SettingError: If the score cannot be called.
        """
        require_callable("prior_score", score, "N architectures -> a number for each")
        self._score = score
        self._known: dict[int, float] = {}

    def reorder(
        self, order: NDArray[np.intp], archs: Architectures, num_points: int, *, meta_learned: bool
    ) -> tuple[NDArray[np.intp], int]:
        """Reorder the first `NUM_SCORED` candidates by the weighted mean of their ranks, see `prior_weight`.

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
            scores = self(archs[first])
        except Exception:
            logger.exception("The prior score failed, so proposals come as the predictor alone ranks them.")
            return order, len(first)
        mean = fused(-np.arange(len(first), dtype=np.float64), scores, prior_weight(num_points, meta_learned))
        return np.concatenate([first[np.argsort(-mean, kind="stable")], rest]), int(np.isnan(scores).sum())

    def __call__(self, archs: Architectures) -> NDArray[np.float64]:
        """Return scores ``[N]``, NaN where there is none; known ones are not asked for again."""
        texts = archs.text_keys().tolist()
        new = np.array([row for row, key in enumerate(texts) if key not in self._known], dtype=np.intp)
        if len(new):
            self._known.update(
                zip((texts[row] for row in new), scores_of(self._score, archs[new]).tolist(), strict=True)
            )
        return np.array([self._known[key] for key in texts], dtype=np.float64)
