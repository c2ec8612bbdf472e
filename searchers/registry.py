"""Searchers by the names that commands and comparisons take."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from searchers.baselines.evolution import RegularizedEvolution
from searchers.baselines.local_search import LocalSearch
from searchers.baselines.optuna_gp import OptunaGPSearch
from searchers.baselines.random_search import RandomSearch
from searchers.baselines.reinforce import REINFORCESearch
from searchers.baselines.tpe import TPESearch
from searchers.core.architecture_searcher import ArchitectureSearcher
from searchers.model_based.bananas import BANANASSearch
from searchers.model_based.boosted_trees import BoostedTreesSearch
from searchers.model_based.gaussian_process import GaussianProcessSearch
from searchers.model_based.mpnas import MPNASSearch
from searchers.model_based.predictor_search import PredictorSearch
from searchers.zero_cost.area import AREASearch
from searchers.zero_cost.naswot import NASWOTSearch

__all__ = ["BY_SCORE", "SEARCHERS"]

SEARCHERS: dict[str, Callable[..., ArchitectureSearcher]] = {
    "mpnas": MPNASSearch,
    "scratch": partial(MPNASSearch, predictor=None),
    "gp": GaussianProcessSearch,
    "bananas": BANANASSearch,
    "gbt-thompson": BoostedTreesSearch,
    "tpe": TPESearch,
    "optuna-gp": OptunaGPSearch,
    "evolution": RegularizedEvolution,
    "local-search": LocalSearch,
    "reinforce": REINFORCESearch,
    "random": RandomSearch,
    "naswot": NASWOTSearch,
    "area": AREASearch,
    "predictor": PredictorSearch,
}
"""Searchers by the names that ``--searcher`` takes; ``scratch`` is MP-NAS without what it knows of other tasks."""

BY_SCORE = ("naswot", "area")
"""Searchers that are nothing without a zero-cost score."""
