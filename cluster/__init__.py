"""Search on Ray, resume and extend runs, compare searchers, and make tables, scores and predictors."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mpnas_ray.errors import RunInterruptedError
from mpnas_ray.own_packages import check_own, put_first
from mpnas_ray.version import version

if TYPE_CHECKING:
    from cluster.artifacts.config import ScoringConfig, TableConfig
    from cluster.artifacts.meta_training import SourceTasks
    from cluster.artifacts.meta_training import run_meta_training as meta_train
    from cluster.artifacts.scoring import score_architectures
    from cluster.artifacts.table_building import build_table
    from cluster.experiments.comparison.compare import compare
    from cluster.experiments.comparison.config import ComparisonConfig
    from cluster.run.config import SearchConfig
    from cluster.run.extend import extend_search
    from cluster.run.report import SearchReport
    from cluster.run.resume import resume_search
    from cluster.run.start import run_search

__all__ = [
    "ComparisonConfig",
    "RunInterruptedError",
    "ScoringConfig",
    "SearchConfig",
    "SearchReport",
    "SourceTasks",
    "TableConfig",
    "build_table",
    "compare",
    "extend_search",
    "meta_train",
    "resume_search",
    "run_search",
    "score_architectures",
]

__version__ = version()

_MODULES = {
    "ComparisonConfig": ("cluster.experiments.comparison.config", "ComparisonConfig"),
    "ScoringConfig": ("cluster.artifacts.config", "ScoringConfig"),
    "SearchConfig": ("cluster.run.config", "SearchConfig"),
    "SearchReport": ("cluster.run.report", "SearchReport"),
    "SourceTasks": ("cluster.artifacts.meta_training", "SourceTasks"),
    "TableConfig": ("cluster.artifacts.config", "TableConfig"),
    "build_table": ("cluster.artifacts.table_building", "build_table"),
    "compare": ("cluster.experiments.comparison.compare", "compare"),
    "extend_search": ("cluster.run.extend", "extend_search"),
    "meta_train": ("cluster.artifacts.meta_training", "run_meta_training"),
    "resume_search": ("cluster.run.resume", "resume_search"),
    "run_search": ("cluster.run.start", "run_search"),
    "score_architectures": ("cluster.artifacts.scoring", "score_architectures"),
}
"""Public name -> its module, and its name there."""


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: torch and Ray take seconds, and ``mpnas --help`` needs neither.

    Raises:
        ForeignModuleError: If another module was imported as `searchers` or `trainables` before.
    """
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    check_own()
    put_first()
    module, inner = _MODULES[name]
    return getattr(import_module(module), inner)
