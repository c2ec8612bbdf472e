"""Charts of table 7 for its page: figure 4 of the paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cluster.report.charts import Frame
from cluster.report.html import Html, tag
from cluster.report.methods.curves import Curve, curves_chart, keys_of_methods, moments_tip
from cluster.report.methods.looks import looks_of
from cluster.report.scales import counts, robust

__all__ = ["charts"]


def charts(content: Mapping[str, Any]) -> list[Html]:
    """Draw the best validation score so far of each search, a chart a task."""
    names = list(content["searches"])
    looks = looks_of(names, focus=names[0])
    drawn = []
    for one in content["tasks"]:
        found = [_curve(search, runs) for search, runs in one["curves"].items()]
        last = max(len(curve.points) for curve in found)
        frame = Frame(counts(last), robust(end for curve in found for end in (*curve.low, *curve.high)))
        labels = ("candidates trained", one["metric"])
        drawn.append(curves_chart(f"{one['task']}: best on validation so far", frame, labels, found, looks))
    note = (
        "Means over searches; the band, of the method that is chosen or under the pointer, reaches from worst to best."
    )
    return [keys_of_methods(looks), tag("section", tag("div", *drawn, class_="charts"), tag("p", note, class_="note"))]


def _curve(search: str, runs: list[list[float]]) -> Curve:
    length = min(map(len, runs))
    values = np.array([run[:length] for run in runs])
    middle, low, high = values.mean(axis=0).tolist(), values.min(axis=0).tolist(), values.max(axis=0).tolist()
    at = {f"after {trial}": (middle[trial - 1], low[trial - 1], high[trial - 1]) for trial in (1, length // 2, length)}
    return Curve(search, list(enumerate(middle, 1)), low, high, steps=True, tip=moments_tip(at))
