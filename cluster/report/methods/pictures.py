"""Looks of methods for matplotlib, which draws the pictures of Markdown pages."""

from __future__ import annotations

from typing import Any

from cluster.report.charts import SHAPES
from cluster.report.methods.looks import COLOURS, DASHES, Look

__all__ = ["line_style"]

_MARKERS = dict(zip(SHAPES, ("o", "s", "^", "v", "D", "x", "+", "*"), strict=True))


def line_style(look: Look) -> dict[str, Any]:
    """Return the arguments of a line of matplotlib for a look."""
    return {
        "color": COLOURS[look.colour],
        "linewidth": 2.4 if look.strong else 1.2,
        "linestyle": (0, DASHES[look.dash] or ()),
        "marker": _MARKERS[look.shape],
        "markersize": 7 if look.strong else 4.5,
        "markevery": 0.2,
    }
