"""Searchers by the names that commands and comparisons take."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from searchers.core.architecture_searcher import ArchitectureSearcher

__all__ = ["BY_SCORE", "SEARCHERS"]


def _late(class_name: str, **settings: Any) -> Callable[..., ArchitectureSearcher]:
    """Make a searcher of a class of `searchers`, which is imported then: a list of names needs no Ray Tune."""

    def make(*given: Any, **named: Any) -> ArchitectureSearcher:
        searcher: ArchitectureSearcher = getattr(import_module("searchers"), class_name)(*given, **settings, **named)
        return searcher

    return make


SEARCHERS: dict[str, Callable[..., ArchitectureSearcher]] = {
    "mpnas": _late("MPNASSearch"),
    "scratch": _late("MPNASSearch", predictor=None),
    "gp": _late("GaussianProcessSearch"),
    "bananas": _late("BANANASSearch"),
    "gbt-thompson": _late("BoostedTreesSearch"),
    "tpe": _late("TPESearch"),
    "optuna-gp": _late("OptunaGPSearch"),
    "evolution": _late("RegularizedEvolution"),
    "local-search": _late("LocalSearch"),
    "reinforce": _late("REINFORCESearch"),
    "random": _late("RandomSearch"),
    "naswot": _late("NASWOTSearch"),
    "area": _late("AREASearch"),
    "predictor": _late("PredictorSearch"),
}
"""Searchers by the names that ``--searcher`` takes; ``scratch`` is MP-NAS without what it knows of other tasks."""

BY_SCORE = ("naswot", "area")
"""Searchers that are nothing without a zero-cost score."""
