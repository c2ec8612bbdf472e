"""Search by a Gaussian process with expected improvement: the strongest plain rival of a meta-learned predictor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpnas_ray.predictors import GaussianProcessPredictor
from mpnas_ray.spaces import SearchSpace
from searchers.model_based.predictor_search import PredictorSearch, RankingArguments

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["GaussianProcessSearch"]


class GaussianProcessSearch(PredictorSearch):
    """Searches by Bayesian optimisation over the choices that make up an architecture.

    After five random architectures (three and ten were no better in replays of tables) it proposes that of greatest
    expected improvement by a `mpnas_ray.predictors.GaussianProcessPredictor`.

    Example:
        >>> from searchers import GaussianProcessSearch
        >>> searcher = GaussianProcessSearch("transnasbench101", "accuracy", "max", num_random=2, seed=0)
        >>> for trial_id in "abc":
        ...     config = searcher.suggest(trial_id)
        ...     searcher.on_trial_complete(trial_id, {"accuracy": config["arch"].count("3") / 10})
        >>> searcher.num_refits
        2
    """

    def __init__(
        self,
        space: str | SearchSpace,
        metric: str | None = None,
        mode: str | None = None,
        *,
        refit_every: int = 1,
        num_random: int = 5,
        **shared: Unpack[RankingArguments],
    ) -> None:
        super().__init__(
            space,
            metric,
            mode,
            GaussianProcessPredictor(),
            acquisition="ei",
            refit_every=refit_every,
            num_random=num_random,
            **shared,
        )
