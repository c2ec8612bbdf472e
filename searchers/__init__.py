"""Ray Tune searchers for architectures. Import one and hand it to ``TuneConfig(search_alg=...)``."""

from __future__ import annotations

from searchers.architecture_searcher import ArchitectureSearcher
from searchers.area import AREASearch
from searchers.bananas import BANANASSearch
from searchers.evolution import RegularizedEvolution
from searchers.gaussian_process import GaussianProcessSearch
from searchers.local_search import LocalSearch
from searchers.mpnas import MPNASSearch
from searchers.naswot import NASWOTSearch
from searchers.predictor_search import PredictorSearch
from searchers.random_search import RandomSearch
from searchers.reinforce import REINFORCESearch
from searchers.tpe import TPESearch
from searchers.transfer import MeanRankSearch, NearestTaskSearch

__all__ = [
    "AREASearch",
    "ArchitectureSearcher",
    "BANANASSearch",
    "GaussianProcessSearch",
    "LocalSearch",
    "MPNASSearch",
    "MeanRankSearch",
    "NASWOTSearch",
    "NearestTaskSearch",
    "PredictorSearch",
    "REINFORCESearch",
    "RandomSearch",
    "RegularizedEvolution",
    "TPESearch",
]
