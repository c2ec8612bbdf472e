"""The searchers that a run can be started with, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from searchers import (
    ArchitectureSearcher,
    AREASearch,
    BANANASSearch,
    BoostedTreesSearch,
    GaussianProcessSearch,
    LocalSearch,
    MPNASSearch,
    NASWOTSearch,
    OptunaGPSearch,
    PredictorSearch,
    RandomSearch,
    RegularizedEvolution,
    REINFORCESearch,
    TPESearch,
)

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
