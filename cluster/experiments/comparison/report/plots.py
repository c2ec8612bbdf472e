"""Draw the picture of a comparison."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator

from cluster.experiments.comparison.report.looks import BEST, LOOKS, MOST, TICKS
from cluster.experiments.comparison.summary.summaries import Comparison
from cluster.report.methods.pictures import line_style
from mpnas_ray.files.atomic import atomic_path

__all__ = ["save_curves"]

_COLUMNS = 4


def save_curves(results: Comparison, path: Path) -> None:
    """Draw one panel a column: median regret and its interval against queries."""
    rows = -(-len(results.grounds) // _COLUMNS)
    figure = Figure(figsize=(3.6 * _COLUMNS, 3.0 * rows), layout="constrained")
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    queries = np.arange(1, results.budget + 1)
    handles = {}
    for panel, ground in zip(panels, results.grounds, strict=False):
        for name in reversed(results.methods):  # the first, ours, on top
            found = results.find(name, ground.column)
            if found is None:
                continue
            look, curve = LOOKS[name], found.curve
            style = line_style(look)
            (handles[name],) = panel.step(queries, np.maximum(curve.median, BEST), where="post", **style)
            if found.seeds > 1 and look.strong:
                low, high = (np.maximum(values, BEST) for values in (curve.low, curve.high))
                panel.fill_between(queries, low, high, step="post", color=style["color"], alpha=0.22, linewidth=0)
        panel.set_yscale("log")
        panel.set_ylim(BEST, MOST)
        panel.yaxis.set_major_locator(FixedLocator([percent for percent, _ in TICKS]))
        panel.yaxis.set_major_formatter(FixedFormatter([text for _, text in TICKS]))
        panel.set_xlim(1, max(2, results.budget))
        panel.set_title(ground.column.searched.replace("/", ": "), fontsize=10)
        panel.grid(alpha=0.3)
    for panel in panels[len(results.grounds) :]:
        panel.axis("off")
    ordered = [name for name in results.methods if name in handles]
    figure.legend(
        [handles[name] for name in ordered],
        ordered,
        loc="outside upper center",
        frameon=False,
        ncols=min(7, len(ordered)),
        handlelength=3.5,
    )
    figure.supxlabel("queries")
    figure.supylabel("median regret, % of the way from best to median")
    with atomic_path(path) as part:
        figure.savefig(part, format="png", dpi=100)
