"""Search by an ensemble on path encodings (White et al. 2021, BANANAS)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpnas_ray.predictors import PathEnsemblePredictor
from mpnas_ray.spaces import SearchSpace
from searchers.core.settings import SearcherSettings
from searchers.model_based.predictor_search import PredictorSearch

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["BANANASSearch"]


class BANANASSearch(PredictorSearch):
    """Thompson sampling from a `mpnas_ray.predictors.PathEnsemblePredictor`, after ten random architectures.

    The paper draws each candidate's score independently, which serves it because its candidates are mutations of the
    best architectures. Here candidates are the whole space, or a random part of it, where the highest of so many
    independent draws is only the luckiest: functions are drawn jointly instead.
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
            PathEnsemblePredictor(seed=settings.get("seed") or 0),
            acquisition="thompson",
            refit_every=refit_every,
            num_random=num_random,
            num_candidates=num_candidates,
            synchronous=synchronous,
            **settings,
        )
