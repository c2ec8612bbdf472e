"""Runs on Ray: start, continue, extend, report."""

from __future__ import annotations

from cluster.report import SearchReport
from cluster.search import SCHEDULERS, SEARCHERS, RunInterruptedError, extend_search, resume_search, run_search

__all__ = [
    "SCHEDULERS",
    "SEARCHERS",
    "RunInterruptedError",
    "SearchReport",
    "extend_search",
    "resume_search",
    "run_search",
]
