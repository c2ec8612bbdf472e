"""Looks of the methods that can be compared: one for each, whichever of them take part."""

from __future__ import annotations

from cluster.experiments.comparison.methods import METHODS
from cluster.report.methods.looks import Look, looks_of

__all__ = ["BEST", "LOOKS", "MOST", "TICKS"]

LOOKS: dict[str, Look] = looks_of(tuple(METHODS), focus="mpnas")
"""Name of a method -> look."""

BEST, MOST = 0.1, 300.0
"""Percent of regret at which the logarithmic axis begins and ends; the optimum is drawn at its beginning."""

TICKS = ((BEST, "best"), (1.0, "1"), (10.0, "10"), (100.0, "100"))
"""(percent of regret, text) of the ticks of that axis."""
