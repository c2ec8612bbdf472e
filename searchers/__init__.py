"""Ray Tune searchers for architectures. Import one and hand it to ``TuneConfig(search_alg=...)``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from searchers.architecture_searcher import ArchitectureSearcher
    from searchers.area import AREASearch
    from searchers.bananas import BANANASSearch
    from searchers.boosted_trees import BoostedTreesSearch
    from searchers.evolution import RegularizedEvolution
    from searchers.gaussian_process import GaussianProcessSearch
    from searchers.local_search import LocalSearch
    from searchers.mean_rank import MeanRankSearch
    from searchers.mpnas import MPNASSearch
    from searchers.naswot import NASWOTSearch
    from searchers.nearest_task import NearestTaskSearch
    from searchers.optuna_gp import OptunaGPSearch
    from searchers.predictor_search import PredictorSearch
    from searchers.quantile_transfer import QuantileTransferSearch
    from searchers.random_search import RandomSearch
    from searchers.reinforce import REINFORCESearch
    from searchers.rush import RUSHSearch
    from searchers.tpe import TPESearch

__all__ = [
    "AREASearch",
    "ArchitectureSearcher",
    "BANANASSearch",
    "BoostedTreesSearch",
    "GaussianProcessSearch",
    "LocalSearch",
    "MPNASSearch",
    "MeanRankSearch",
    "NASWOTSearch",
    "NearestTaskSearch",
    "OptunaGPSearch",
    "PredictorSearch",
    "QuantileTransferSearch",
    "REINFORCESearch",
    "RUSHSearch",
    "RandomSearch",
    "RegularizedEvolution",
    "TPESearch",
]

_MODULES = {
    "AREASearch": "searchers.area",
    "ArchitectureSearcher": "searchers.architecture_searcher",
    "BANANASSearch": "searchers.bananas",
    "BoostedTreesSearch": "searchers.boosted_trees",
    "GaussianProcessSearch": "searchers.gaussian_process",
    "LocalSearch": "searchers.local_search",
    "MPNASSearch": "searchers.mpnas",
    "MeanRankSearch": "searchers.mean_rank",
    "NASWOTSearch": "searchers.naswot",
    "NearestTaskSearch": "searchers.nearest_task",
    "OptunaGPSearch": "searchers.optuna_gp",
    "PredictorSearch": "searchers.predictor_search",
    "QuantileTransferSearch": "searchers.quantile_transfer",
    "REINFORCESearch": "searchers.reinforce",
    "RUSHSearch": "searchers.rush",
    "RandomSearch": "searchers.random_search",
    "RegularizedEvolution": "searchers.evolution",
    "TPESearch": "searchers.tpe",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, then: a process that only makes rankings needs neither Ray Tune nor Optuna."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
