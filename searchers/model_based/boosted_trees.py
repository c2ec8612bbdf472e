"""Search by Thompson sampling from boosted trees."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mpnas_ray.predictors.regression.predictor import UncertainRegressionPredictor
from mpnas_ray.spaces import Architectures, SearchSpace
from searchers.background import BackgroundWorker
from searchers.core.candidates import Candidates
from searchers.core.settings import SearcherSettings
from searchers.model_based.acquisition import acquire
from searchers.model_based.predictor_search import PredictorSearch
from searchers.model_based.ranking import Ranking, RankingRequest

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["BoostedTreesSearch"]


class BoostedTreesSearch(PredictorSearch):
    """Thompson sampling from ten boosted regressions, after ten random architectures.

    Each regression is fitted to a bootstrap sample of the results, and sees the operation of each vertex and which
    vertices it reads. A proposal is the unseen architecture that a regression drawn at random holds best, one of
    several at random: trees predict the same for many. From one refit to the next no architecture comes twice, so
    that members that agree give one proposal; after all members have given theirs the mean of all goes on.
    """

    def __init__(
        self,
        space: str | SearchSpace,
        metric: str | None = None,
        mode: str | None = None,
        *,
        refit_every: int = 5,
        num_random: int = 10,
        num_candidates: int = 10_000,
        synchronous: bool = False,
        **settings: Unpack[SearcherSettings],
    ) -> None:
        """See `PredictorSearch`."""
        super().__init__(
            space,
            metric,
            mode,
            refit_every=refit_every,
            num_random=num_random,
            num_candidates=num_candidates,
            synchronous=synchronous,
            **settings,
        )

    def _new_worker(self) -> BackgroundWorker[RankingRequest, Ranking]:
        return BackgroundWorker(_TreesRanker(self._candidates, self._num_candidates).rank)


@dataclass(frozen=True)
class _TreesRanker:
    """Ranks what was not proposed yet: what was would be the best of a member again and again."""

    candidates: Candidates
    num_candidates: int

    def rank(self, request: RankingRequest) -> Ranking:
        start = time.perf_counter()
        rng = np.random.default_rng(request.seed)
        archs, found = self.candidates.unseen(self.num_candidates, request.seen, rng)
        predicted, order = np.empty(0), np.empty(0, dtype=np.intp)
        if len(archs):
            points = request.thinned()
            measured = Architectures.of(points.archs, self.candidates.space)
            trees = UncertainRegressionPredictor("bootstrapped-trees", seed=request.seed)
            trees.fit(measured, points.labels)
            predicted, order = acquire(trees, "thompson", archs, measured, rng, ties=np.arange(len(archs)))
        return Ranking(
            archs.codes[order],
            found[order],
            predicted[order],
            num_points=len(request.archs),
            seconds=time.perf_counter() - start,
        )
