"""Search by Thompson sampling from boosted trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.predictors.regression.predictor import UncertainRegressionPredictor
from mpnas_ray.spaces import Architectures, SearchSpace
from searchers.core.candidates import Candidates
from searchers.model_based.predictor_search import PredictorSearch, RankingArguments
from searchers.model_based.ranking.acquisition import acquire
from searchers.model_based.ranking.base import Rank, Ranking, RankingRequest, rank_unseen

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["BoostedTreesSearch"]


class BoostedTreesSearch(PredictorSearch):
    """Samples by Thompson from ten boosted regressions, after ten random architectures.

    Each regression is fitted to a bootstrap sample of the results, and sees the operation of each vertex and which
    vertices it reads. A proposal is the unseen architecture that a regression drawn at random holds best, one of
    several at random: trees predict the same for many. From one refit to the next no architecture comes twice, so
    that members that agree give one proposal; after all members have given theirs the mean of all goes on.

    Example:
        >>> from searchers import BoostedTreesSearch
        >>> searcher = BoostedTreesSearch("nasbench201", "accuracy", "max", num_candidates=100, seed=0)
        >>> config = searcher.suggest("trial-1")
        >>> searcher.on_trial_complete("trial-1", {"accuracy": 0.5})
    """

    def __init__(
        self,
        space: str | SearchSpace,
        metric: str | None = None,
        mode: str | None = None,
        *,
        refit_every: int = 5,
        num_random: int = 10,
        **shared: Unpack[RankingArguments],
    ) -> None:
        super().__init__(space, metric, mode, refit_every=refit_every, num_random=num_random, **shared)

    def _rank(self) -> Rank:
        return _TreesRanker(self._proposals.candidates, self._num_candidates).rank


@dataclass(frozen=True)
class _TreesRanker:
    """Ranks what was not proposed yet: what was would be the best of a member again and again."""

    candidates: Candidates
    num_candidates: int

    def rank(self, request: RankingRequest) -> Ranking:
        """Fit the trees, and rank by functions that are drawn from them."""

        def order(archs: Architectures, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
            points = request.thinned()
            measured = Architectures.of(points.archs, self.candidates.space)
            trees = UncertainRegressionPredictor("bootstrapped-trees", seed=request.seed)
            trees.fit(measured, points.labels)
            return acquire(trees, "thompson", archs, measured, rng, ties=np.arange(len(archs)))

        return rank_unseen(self.candidates, self.num_candidates, request, order)
