"""Runs on Ray: start, continue, extend, report."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mpnas_ray.errors import RunInterruptedError
from mpnas_ray.own_packages import check_own, put_first

if TYPE_CHECKING:
    from cluster.run.report import SearchReport
    from cluster.run.search import SCHEDULERS, SEARCHERS, extend_search, resume_search, run_search

__all__ = [
    "SCHEDULERS",
    "SEARCHERS",
    "RunInterruptedError",
    "SearchReport",
    "extend_search",
    "resume_search",
    "run_search",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for, then: torch and Ray take four seconds, and ``mpnas --help`` needs neither.

    Raises:
        ForeignModuleError: If another module was imported as `searchers` or `trainables` before.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    check_own()
    put_first()
    return getattr(import_module("cluster.run.search"), name)
