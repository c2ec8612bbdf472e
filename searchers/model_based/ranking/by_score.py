"""Ranking by a zero-cost score alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.spaces import Architectures
from searchers.core.candidates import Candidates
from searchers.core.zero_cost import Score, scores_of
from searchers.model_based.ranking.base import Ranking, RankingRequest, rank_unseen

__all__ = ["ScoreRanker"]


@dataclass(frozen=True)
class ScoreRanker:
    """Ranks a random sample of the candidates that were not seen by a score; those without one come last.

    Attributes:
        candidates: The architectures that may be proposed.
        score: The zero-cost score.
        num_scored: Size of the sample.
    """

    candidates: Candidates
    score: Score
    num_scored: int

    def rank(self, request: RankingRequest) -> Ranking:
        """Rank a fresh sample.

        Raises:
            Exception: Error that the score raises.
        """

        def order(archs: Architectures, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
            scores = scores_of(self.score, archs[: self.num_scored])
            return scores, np.argsort(-scores, kind="stable")  # puts NaN last

        ranking = rank_unseen(self.candidates, self.num_scored + len(request.seen), request, order)
        return replace(ranking, num_unusable=int(np.isnan(ranking.predicted).sum()))
