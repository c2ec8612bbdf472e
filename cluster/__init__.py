"""Runs on Ray: start, continue, report."""

from __future__ import annotations

from cluster.report import SearchReport
from cluster.search import SEARCHERS, RunInterruptedError, run_search

__all__ = ["SEARCHERS", "RunInterruptedError", "SearchReport", "run_search"]
