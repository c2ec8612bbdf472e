"""Search by a Gaussian process with expected improvement: the strongest plain rival of a meta-learned predictor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpnas_ray.predictors import GaussianProcessPredictor
from mpnas_ray.spaces import SearchSpace
from searchers.core.settings import SearcherSettings
from searchers.model_based.predictor_search import PredictorSearch

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["GaussianProcessSearch"]


class GaussianProcessSearch(PredictorSearch):
    """Bayesian optimisation over the choices that make up an architecture.

    After five random architectures (three and ten were no better in replays of tables) it proposes that of greatest
    expected improvement by a `mpnas_ray.predictors.GaussianProcessPredictor`.
    """

    def __init__(
        self,
        space: str | SearchSpace,
        metric: str | None = None,
        mode: str | None = None,
        *,
        refit_every: int = 1,
        num_random: int = 5,
        num_candidates: int = 10_000,
        synchronous: bool = False,
        **settings: Unpack[SearcherSettings],
    ) -> None:
        """See `PredictorSearch`."""
        super().__init__(
            space,
            metric,
            mode,
            GaussianProcessPredictor(),
            acquisition="ei",
            refit_every=refit_every,
            num_random=num_random,
            num_candidates=num_candidates,
            synchronous=synchronous,
            **settings,
        )
