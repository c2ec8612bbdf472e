"""Ranking of all candidates by a predictor that is fitted to the results."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from mpnas_ray.checks import require_count, require_one_of
from mpnas_ray.predictors import Evidential, MetaLearned, Predictor, Uncertain
from mpnas_ray.spaces import Architectures
from searchers.core.candidates import Candidates
from searchers.model_based.ranking.acquisition import (
    ACQUISITIONS,
    Acquisition,
    acquire,
    best_first,
    improve_shortlist,
)
from searchers.model_based.ranking.base import Ranking, RankingRequest
from searchers.model_based.ranking.by_score import ScoreRanker
from searchers.model_based.ranking.climbing import climb
from searchers.model_based.ranking.fitting import (
    fitted,
    predicted_scores,
    require_finite,
    results_differ,
    transfer_check,
)
from searchers.model_based.ranking.prior_score import NUM_SCORED, PriorScore

__all__ = ["PredictorRanker"]


@dataclass(frozen=True)
class PredictorRanker:
    """Fits a predictor to the results and ranks all candidates by what it believes.

    Attributes:
        candidates: The architectures that may be proposed.
        predictor: Left unchanged: each ranking has its own copy, or what ``adapt`` gives. None for a GCN from scratch.
        acquisition: The rule by which a belief becomes an order.
        num_candidates: Number of candidates to sample where there are too many to list.
        prior_score: A zero-cost score to fuse the predictor's order with; None for none.
        cost_predictor: Takes the place of the predictor where that believes that the task measures a cost; None for
            none.
    """

    candidates: Candidates
    predictor: Predictor | None
    acquisition: Acquisition
    num_candidates: int
    prior_score: PriorScore | None = None
    cost_predictor: Predictor | None = None

    def __post_init__(self) -> None:
        require_one_of("acquisition", self.acquisition, ACQUISITIONS)
        require_count("num_candidates", self.num_candidates)

    def rank(self, request: RankingRequest) -> Ranking:
        """Fit the predictor, and rank all candidates if they are few, else a fresh sample.

        Raises:
            PredictorError: If the predictor gives something else than a finite number for each candidate.
        """
        if self.prior_score is not None and not request.archs and not self._is_meta_learned:
            alone = ScoreRanker(self.candidates, self.prior_score, NUM_SCORED).rank(request)
            return replace(alone, predicted=np.empty(0))
        torch.set_num_threads(1)  # trials run beside this
        start = time.perf_counter()
        rng = np.random.default_rng(request.seed)
        points = request.thinned()
        measured = Architectures.of(points.archs, self.candidates.space)
        believed = fitted(self.predictor, measured, points)
        predictor, acquisition = believed, self.acquisition
        if isinstance(believed, Evidential) and believed.probability_of_cost() > 0.5:
            acquisition = "mean"  # costs add up over operations, so that there is little to explore
            if self.cost_predictor is not None:
                predictor = fitted(self.cost_predictor, measured, points)
        differ = results_differ(points)
        by_mean = not differ or acquisition == "mean" or not isinstance(predictor, Uncertain)
        by_shortlist = not by_mean and acquisition == "ei" and self._is_meta_learned
        if self.candidates.listed is None:
            archs, found, predicted = self._sampled(predictor, rng, climbs=len(measured) > 0)
        else:
            archs, found, predicted = self.candidates.listed, self.candidates.listed_keys, np.empty(0)
            if by_mean or by_shortlist:  # else `acquire` predicts them
                predicted = predicted_scores(predictor, archs)
        unseen = ~np.isin(found, request.seen)
        ties = rng.permutation(len(archs))
        if len(measured) > 1 and not differ:
            order = ties  # every candidate believed to be the best came out the same: look elsewhere
        elif by_mean or not isinstance(predictor, Uncertain):
            order = best_first(predicted, ties)
        elif by_shortlist:
            order = improve_shortlist(predictor, predicted, archs, measured, unseen, rng, ties)
        else:
            predicted, order = acquire(predictor, acquisition, archs, measured, rng, ties)
            require_finite(predictor, predicted, len(archs))
        order, num_unusable = order[unseen[order]], 0
        if self.prior_score is not None:
            order, num_unusable = self.prior_score.reorder(
                order, archs, len(request.archs), meta_learned=self._is_meta_learned
            )
        return Ranking(
            archs.codes[order],
            found[order],
            predicted[order],
            num_points=len(request.archs),
            seconds=time.perf_counter() - start,
            transfer=transfer_check(believed, points),
            num_unusable=num_unusable,
        )

    @property
    def _is_meta_learned(self) -> bool:
        return isinstance(self.predictor, MetaLearned)

    def _sampled(
        self, predictor: Predictor, rng: np.random.Generator, climbs: bool
    ) -> tuple[Architectures, NDArray[np.uint64], NDArray[np.float64]]:
        """Return sampled candidates ``[N]``, keys and predicted scores; if ``climbs``, with neighbours of the best.

        Before the first result there are no neighbours: they are all much alike, and so would the first trials be.
        """

        def predict(archs: Architectures) -> NDArray[np.float64]:
            return predicted_scores(predictor, archs)

        archs = self.candidates.sample(self.num_candidates, rng)
        found, predicted = self.candidates.keys(archs), predict(archs)
        return climb(self.candidates, archs, found, predicted, predict) if climbs else (archs, found, predicted)
