"""Search from a prior that was learned from the ranks on other tasks (Salinas, Shen and Perrone 2020, "A Quantile-based
Approach for Hyperparameter Transfer Learning").
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from mpnas_ray.predictors.gp.gaussian_process import ConditionedOnChoices, GaussianProcessPrior, most_probable
from mpnas_ray.predictors.regression.quantile_prior import QuantilePrior, truncated_normal_scores
from mpnas_ray.spaces import Architectures, SearchSpace
from mpnas_ray.tables import TableTask
from searchers.background import BackgroundWorker
from searchers.baselines.transfer.sources import Sources
from searchers.core.candidates import Candidates
from searchers.core.settings import SearcherSettings
from searchers.core.state import Arrays, value_of
from searchers.model_based.acquisition import best_first, expected_improvement
from searchers.model_based.predictor_search import PredictorSearch
from searchers.model_based.ranking import Ranking, RankingRequest

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["QuantileTransferSearch"]

_NUM_DRAWN = 5
"""Results before the first Gaussian process, as in the paper's released code."""


class QuantileTransferSearch(PredictorSearch):
    """The paper's ``GCP + prior``, which it reports as better than Thompson sampling from the prior alone (CTS).

    A network gives each architecture x a normal distribution of its normal score z on any task, with mean mu(x) and
    standard deviation sigma(x), see `mpnas_ray.predictors.regression.quantile_prior.QuantilePrior`. Until five results
    are in, proposals are those of CTS: the best architectures of a draw z(x) ~ N(mu(x), sigma(x)^2). Then the results,
    as normal scores z_i among themselves, are explained by a Gaussian process g:

        z_i = mu(x_i) + sigma(x_i) (c + g(x_i))

    A proposal is the architecture of greatest expected improvement of the right side over the best z_i. The constant c
    is the mean residual: among the good architectures that are tried first z_i is low, which says nothing of them. The
    kernel is that of `GaussianProcessSearch`.

    The network is learned when a searcher is made, in some CPU seconds. A restored searcher needs an instance with the
    same sources: its state tells them by a fingerprint alone.
    """

    def __init__(
        self,
        space: str | SearchSpace,
        metric: str | None = None,
        mode: str | None = None,
        *,
        sources: Mapping[str, TableTask],
        refit_every: int = 1,
        num_candidates: int = 10_000,
        synchronous: bool = False,
        **settings: Unpack[SearcherSettings],
    ) -> None:
        """Learn the prior from the sources.

        Args:
            space: A search space or its name.
            metric: Metric of the trials' results; may be left to ``TuneConfig``.
            mode: ``min`` or ``max``; may be left to ``TuneConfig``.
            sources: Name -> task of this space. An honest comparison leaves out the target's own data set.
            refit_every: See `PredictorSearch`.
            num_candidates: See `PredictorSearch`.
            synchronous: See `PredictorSearch`.
            settings: Those that all searchers share, see `MPNASSearch`; the seed is also that of the prior.

        Raises:
            SearchSpaceError: If a source is of another space.
            SettingError: If there is no source, one is not a TableTask, or a number is not a whole one of at least 1.
        """
        super().__init__(
            space,
            metric,
            mode,
            refit_every=refit_every,
            num_random=_NUM_DRAWN,
            num_candidates=num_candidates,
            synchronous=synchronous,
            **settings,
        )
        self._sources = Sources.of(sources, self.space, self._twins)
        self._prior, self._seed_of_prior = _prior_of(self._sources, self.space, self._seed), self._seed

    @property
    def _knows_beforehand(self) -> bool:
        return True

    def _new_worker(self) -> BackgroundWorker[RankingRequest, Ranking]:
        return BackgroundWorker(_QuantileRanker(self._candidates, self._num_candidates, self._prior).rank)

    def _own_state(self) -> tuple[dict[str, Any], Arrays]:
        plain, arrays = super()._own_state()
        return {**plain, "sources": self._sources.fingerprint}, arrays

    def _set_own_state(self, plain: dict[str, Any], arrays: Arrays) -> None:
        super()._set_own_state(plain, arrays)
        self._sources.refuse_others(value_of(plain, "sources", str), type(self).__name__)
        if self._seed != self._seed_of_prior:
            self._prior, self._seed_of_prior = _prior_of(self._sources, self.space, self._seed), self._seed


def _prior_of(sources: Sources, space: SearchSpace, seed: int) -> QuantilePrior:
    targets = np.stack(
        [truncated_normal_scores(of_task, int((~np.isnan(of_task)).sum())) for of_task in sources.quantiles]
    )
    return QuantilePrior.fit(Architectures(space, sources.codes), targets, seed)


@dataclass(frozen=True)
class _QuantileRanker:
    """Ranks what was not proposed yet, given the prior and all results."""

    candidates: Candidates
    num_candidates: int
    prior: QuantilePrior

    def rank(self, request: RankingRequest) -> Ranking:
        torch.set_num_threads(1)  # trials run beside this
        start = time.perf_counter()
        rng = np.random.default_rng(request.seed)
        archs, found = self.candidates.unseen(self.num_candidates, request.seen, rng)
        mean, deviation = self.prior.predict(archs)
        if len(request.archs) < _NUM_DRAWN:
            value = rng.normal(mean, deviation)
        else:
            points = request.thinned()
            measured = Architectures.of(points.archs, self.candidates.space)
            mean, deviation, incumbent = self._posterior(measured, points.labels, archs, mean, deviation)
            value = expected_improvement(mean, deviation, incumbent)
        order = best_first(value, ties=np.arange(len(archs)))
        return Ranking(
            archs.codes[order],
            found[order],
            mean[order],
            num_points=len(request.archs),
            seconds=time.perf_counter() - start,
        )

    def _posterior(
        self,
        measured: Architectures,
        labels: NDArray[np.float64],
        archs: Architectures,
        mean: NDArray[np.float64],
        deviation: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """Mean and standard deviation of the normal scores of N architectures, each ``[N]``, and the best result's.

        Args:
            measured: n architectures.
            labels: Their labels ``[n]``.
            archs: N architectures.
            mean: Of the prior, ``[N]``.
            deviation: Of the prior, ``[N]``.
        """
        results = truncated_normal_scores(rankdata(labels) / len(labels), len(labels))
        expected, spread = self.prior.predict(measured)
        residuals = (results - expected) / spread
        level = residuals.mean()
        targets = residuals - level
        logarithms = most_probable(measured.codes, targets, GaussianProcessPrior())
        of_process, doubt = ConditionedOnChoices.of(measured, targets, logarithms).predict(archs.codes)
        return mean + deviation * (level + of_process), deviation * doubt, float(results.max())
