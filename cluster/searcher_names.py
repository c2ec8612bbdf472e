"""The searchers that a run can be started with, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from searchers import (
    ArchitectureSearcher,
    BANANASSearch,
    GaussianProcessSearch,
    LocalSearch,
    MPNASSearch,
    RandomSearch,
    RegularizedEvolution,
    REINFORCESearch,
    TPESearch,
)

__all__ = ["SEARCHERS"]

SEARCHERS: dict[str, Callable[..., ArchitectureSearcher]] = {
    "mpnas": MPNASSearch,
    "scratch": partial(MPNASSearch, predictor=None),
    "gp": GaussianProcessSearch,
    "bananas": BANANASSearch,
    "tpe": TPESearch,
    "evolution": RegularizedEvolution,
    "local-search": LocalSearch,
    "reinforce": REINFORCESearch,
    "random": RandomSearch,
}
"""Searchers by the names that ``--searcher`` takes; ``scratch`` is MP-NAS without what it knows of other tasks."""
