"""Ray Tune searchers for architectures. Import one and hand it to ``TuneConfig(search_alg=...)``."""

from __future__ import annotations

from searchers.architecture_searcher import ArchitectureSearcher
from searchers.mpnas import MPNASSearch
from searchers.random_search import RandomSearch

__all__ = ["ArchitectureSearcher", "MPNASSearch", "RandomSearch"]
