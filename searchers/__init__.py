"""Ray Tune searchers for architectures. Import one and hand it to ``TuneConfig(search_alg=...)``."""

from __future__ import annotations

from searchers.architecture_searcher import ArchitectureSearcher
from searchers.evolution import RegularizedEvolution
from searchers.local_search import LocalSearch
from searchers.mpnas import MPNASSearch
from searchers.random_search import RandomSearch
from searchers.reinforce import REINFORCESearch
from searchers.tpe import TPESearch
from searchers.transfer import MeanRankSearch, NearestTaskSearch

__all__ = [
    "ArchitectureSearcher",
    "LocalSearch",
    "MPNASSearch",
    "MeanRankSearch",
    "NearestTaskSearch",
    "REINFORCESearch",
    "RandomSearch",
    "RegularizedEvolution",
    "TPESearch",
]
