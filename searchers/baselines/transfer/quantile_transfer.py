"""Search from a prior that was learned from the ranks on other tasks (Salinas, Shen and Perrone 2020, "A Quantile-based
Approach for Hyperparameter Transfer Learning").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from mpnas_ray.predictors.gp.gaussian_process import ConditionedOnChoices, GaussianProcessPrior, most_probable
from mpnas_ray.predictors.regression.quantile_prior import QuantilePrior, truncated_normal_scores
from mpnas_ray.spaces import Architectures, SearchSpace
from mpnas_ray.tables import TableTask
from searchers.baselines.transfer.source_tables import SourceTables
from searchers.core.candidates import Candidates
from searchers.core.state import Arrays, value_of
from searchers.model_based.predictor_search import PredictorSearch, RankingArguments
from searchers.model_based.ranking.acquisition import best_first, expected_improvement
from searchers.model_based.ranking.base import Rank, Ranking, RankingRequest, rank_unseen

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["QuantileTransferSearch"]

_NUM_DRAWN = 5
"""Results before the first Gaussian process, as in the paper's released code."""


class QuantileTransferSearch(PredictorSearch):
    """Searches by the paper's ``GCP + prior``, which it reports as better than Thompson sampling from the prior (CTS).

    A network gives each architecture x a normal distribution of its normal score z on any task, with mean mu(x) and
    standard deviation sigma(x), see `mpnas_ray.predictors.regression.quantile_prior.QuantilePrior`. Until five results
    are in, proposals are those of CTS: the best architectures of a draw z(x) ~ N(mu(x), sigma(x)^2). Then the results,
    as normal scores z_i among themselves, are explained by a Gaussian process g:

        z_i = mu(x_i) + sigma(x_i) (c + g(x_i))

    A proposal is the architecture of greatest expected improvement of the right side over the best z_i. The constant c
    is the mean residual: among the good architectures that are tried first z_i is low, which says nothing of them. The
    kernel is that of `GaussianProcessSearch`.

    The network is learned when a searcher is made, in some CPU seconds; its seed is that of the search. A restored
    searcher needs an instance with the same sources: its state tells them by a fingerprint alone.

    Args:
        sources: Name -> task of this space. An honest comparison leaves out the target's own data set.

    Raises:
        SearchSpaceError: If a source is of another space.
        SettingError: If there is no source, one is not a TableTask, or a number is not a whole one of at least 1.

    Example:
        >>> from mpnas_ray import get_space
        >>> from mpnas_ray.tables import TableTask
        >>> from searchers import QuantileTransferSearch
        >>> archs = get_space("transnasbench101").distinct()[:20]
        >>> source = TableTask("transnasbench101/known", archs, range(20), "accuracy", "max")
        >>> searcher = QuantileTransferSearch("transnasbench101", "accuracy", "max", sources={"known": source}, seed=0)
        >>> config = searcher.suggest("trial-1")
        >>> searcher.on_trial_complete("trial-1", {"accuracy": 0.5})
    """

    def __init__(
        self,
        space: str | SearchSpace,
        metric: str | None = None,
        mode: str | None = None,
        *,
        sources: Mapping[str, TableTask],
        refit_every: int = 1,
        **shared: Unpack[RankingArguments],
    ) -> None:
        super().__init__(space, metric, mode, refit_every=refit_every, num_random=_NUM_DRAWN, **shared)
        self._sources = SourceTables.joined(sources, self._proposals.candidates)
        self._learn_prior()

    def _learn_prior(self) -> None:
        """Learn the prior from the sources, by the seed of the search."""
        self._seed_of_prior = self._proposals.seed
        normal_scores = [
            truncated_normal_scores(of_task, int((~np.isnan(of_task)).sum())) for of_task in self._sources.quantiles
        ]
        archs = Architectures(self.space, self._sources.codes)
        self._prior = QuantilePrior.fit(archs, np.stack(normal_scores), self._seed_of_prior)

    @property
    def _knows_beforehand(self) -> bool:
        return True

    def _rank(self) -> Rank:
        return _QuantileRanker(self._proposals.candidates, self._num_candidates, self._prior).rank

    def _own_state(self) -> tuple[dict[str, Any], Arrays]:
        plain, arrays = super()._own_state()
        return {**plain, "sources": self._sources.fingerprint}, arrays

    def _set_own_state(self, plain: dict[str, Any], arrays: Arrays) -> None:
        super()._set_own_state(plain, arrays)
        self._sources.refuse_others(value_of(plain, "sources", str), type(self).__name__)
        if self._proposals.seed != self._seed_of_prior:
            self._learn_prior()


@dataclass(frozen=True)
class _QuantileRanker:
    """Ranks what was not proposed yet, given the prior and all results."""

    candidates: Candidates
    num_candidates: int
    prior: QuantilePrior

    def rank(self, request: RankingRequest) -> Ranking:
        """Rank by a draw from the prior, or by expected improvement once five results are in."""

        def order(archs: Architectures, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
            mean, spread = self.prior.predict(archs)
            if len(request.archs) < _NUM_DRAWN:
                value = rng.normal(mean, spread)
            else:
                points = request.thinned()
                measured = Architectures.of(points.archs, self.candidates.space)
                mean, spread, incumbent = self._posterior(measured, points.labels, archs, mean, spread)
                value = expected_improvement(mean, spread, incumbent)
            return mean, best_first(value, ties=np.arange(len(archs)))

        return rank_unseen(self.candidates, self.num_candidates, request, order)

    def _posterior(
        self,
        measured: Architectures,
        labels: NDArray[np.float64],
        archs: Architectures,
        mean: NDArray[np.float64],
        spread: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """Return mean and standard deviation of the normal scores of N architectures, and the best result's score.

        Args:
            measured: n architectures.
            labels: Labels of the measured architectures ``[n]``.
            archs: N architectures.
            mean: Mean of the prior, ``[N]``.
            spread: Standard deviation of the prior, ``[N]``.
        """
        results = truncated_normal_scores(rankdata(labels) / len(labels), len(labels))
        expected, spread_of_measured = self.prior.predict(measured)
        residuals = (results - expected) / spread_of_measured
        level = residuals.mean()
        targets = residuals - level
        logarithms = most_probable(measured.codes, targets, GaussianProcessPrior())
        of_process, doubt = ConditionedOnChoices.of(measured, targets, logarithms).predict(archs.codes)
        return mean + spread * (level + of_process), spread * doubt, float(results.max())
