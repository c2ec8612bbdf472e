"""Search by an ensemble on path encodings (White et al. 2021, BANANAS)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpnas_ray.predictors import PathEnsemblePredictor
from mpnas_ray.spaces import SearchSpace
from searchers.model_based.predictor_search import PredictorSearch, RankingArguments

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["BANANASSearch"]


class BANANASSearch(PredictorSearch):
    """Samples by Thompson from a `mpnas_ray.predictors.PathEnsemblePredictor`, after ten random architectures.

    The paper draws each candidate's score independently, which serves it because its candidates are mutations of the
    best architectures. Here candidates are the whole space, or a random part of it, where the highest of so many
    independent draws is only the luckiest: functions are drawn jointly instead.

    Example:
        >>> from searchers import BANANASSearch
        >>> searcher = BANANASSearch("nasbench201", "accuracy", "max", num_candidates=100, seed=0)
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
        super().__init__(
            space,
            metric,
            mode,
            PathEnsemblePredictor(seed=shared.get("seed") or 0),
            acquisition="thompson",
            refit_every=refit_every,
            num_random=num_random,
            **shared,
        )
