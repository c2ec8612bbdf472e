"""Ray Tune searchers for architectures. Import one and hand it to ``TuneConfig(search_alg=...)``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from searchers.registry import ALL_SEARCHERS

if TYPE_CHECKING:  # only for type checkers; `searchers.registry` has the list by which names are found
    from searchers.baselines.evolution import RegularizedEvolution as RegularizedEvolution
    from searchers.baselines.local_search import LocalSearch as LocalSearch
    from searchers.baselines.optuna_gp import OptunaGPSearch as OptunaGPSearch
    from searchers.baselines.random_search import RandomSearch as RandomSearch
    from searchers.baselines.reinforce import REINFORCESearch as REINFORCESearch
    from searchers.baselines.tpe import TPESearch as TPESearch
    from searchers.baselines.transfer.mean_rank import MeanRankSearch as MeanRankSearch
    from searchers.baselines.transfer.nearest_task import NearestTaskSearch as NearestTaskSearch
    from searchers.baselines.transfer.quantile_transfer import QuantileTransferSearch as QuantileTransferSearch
    from searchers.baselines.transfer.rush import RUSHSearch as RUSHSearch
    from searchers.core.architecture_searcher import ArchitectureSearcher as ArchitectureSearcher
    from searchers.model_based.bananas import BANANASSearch as BANANASSearch
    from searchers.model_based.boosted_trees import BoostedTreesSearch as BoostedTreesSearch
    from searchers.model_based.gaussian_process import GaussianProcessSearch as GaussianProcessSearch
    from searchers.model_based.mpnas import MPNASSearch as MPNASSearch
    from searchers.model_based.predictor_search import PredictorSearch as PredictorSearch
    from searchers.zero_cost.area import AREASearch as AREASearch
    from searchers.zero_cost.naswot import NASWOTSearch as NASWOTSearch

_MODULES = {
    "ArchitectureSearcher": "searchers.core.architecture_searcher",
    **{entry.class_name: entry.module for entry in ALL_SEARCHERS.values()},
}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    """Import a searcher when it is asked for: a process that only makes rankings needs neither Ray Tune nor Optuna."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
