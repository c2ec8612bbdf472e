"""Ray Tune searchers for architectures. Import one and hand it to ``TuneConfig(search_alg=...)``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from searchers.baselines.evolution import RegularizedEvolution
    from searchers.baselines.local_search import LocalSearch
    from searchers.baselines.optuna_gp import OptunaGPSearch
    from searchers.baselines.random_search import RandomSearch
    from searchers.baselines.reinforce import REINFORCESearch
    from searchers.baselines.tpe import TPESearch
    from searchers.baselines.transfer.mean_rank import MeanRankSearch
    from searchers.baselines.transfer.nearest_task import NearestTaskSearch
    from searchers.baselines.transfer.quantile_transfer import QuantileTransferSearch
    from searchers.baselines.transfer.rush import RUSHSearch
    from searchers.core.architecture_searcher import ArchitectureSearcher
    from searchers.model_based.bananas import BANANASSearch
    from searchers.model_based.boosted_trees import BoostedTreesSearch
    from searchers.model_based.gaussian_process import GaussianProcessSearch
    from searchers.model_based.mpnas import MPNASSearch
    from searchers.model_based.predictor_search import PredictorSearch
    from searchers.zero_cost.area import AREASearch
    from searchers.zero_cost.naswot import NASWOTSearch

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
    "AREASearch": "searchers.zero_cost.area",
    "ArchitectureSearcher": "searchers.core.architecture_searcher",
    "BANANASSearch": "searchers.model_based.bananas",
    "BoostedTreesSearch": "searchers.model_based.boosted_trees",
    "GaussianProcessSearch": "searchers.model_based.gaussian_process",
    "LocalSearch": "searchers.baselines.local_search",
    "MPNASSearch": "searchers.model_based.mpnas",
    "MeanRankSearch": "searchers.baselines.transfer.mean_rank",
    "NASWOTSearch": "searchers.zero_cost.naswot",
    "NearestTaskSearch": "searchers.baselines.transfer.nearest_task",
    "OptunaGPSearch": "searchers.baselines.optuna_gp",
    "PredictorSearch": "searchers.model_based.predictor_search",
    "QuantileTransferSearch": "searchers.baselines.transfer.quantile_transfer",
    "REINFORCESearch": "searchers.baselines.reinforce",
    "RUSHSearch": "searchers.baselines.transfer.rush",
    "RandomSearch": "searchers.baselines.random_search",
    "RegularizedEvolution": "searchers.baselines.evolution",
    "TPESearch": "searchers.baselines.tpe",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, then: a process that only makes rankings needs neither Ray Tune nor Optuna."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
