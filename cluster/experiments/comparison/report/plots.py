"""Draw the picture of a comparison; the colours of methods."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from cluster.experiments.comparison.methods import METHODS
from cluster.experiments.comparison.summary.summaries import Comparison
from mpnas_ray.files.atomic import atomic_path

__all__ = ["FLOOR", "Look", "looks", "save_curves"]

FLOOR = 0.1
"""Percent of regret at which the logarithmic scale ends; the optimum, without regret, is drawn there."""

_COLUMNS = 4
_OURS = "#d62728"


@dataclass(frozen=True)
class Look:
    """The look of a method in pictures.

    Attributes:
        colour: Colour, ``#rrggbb``.
        width: Width of the line in points.
        dash: ``solid`` or ``dash``.
        alpha: Opacity of the band.
    """

    colour: str
    width: float
    dash: str
    alpha: float


def looks() -> dict[str, Look]:
    """Return the look of each method: ours strong and red, each rival of its own colour, far ones dashed."""
    names = list(dict.fromkeys(name.removesuffix(", far") for name in METHODS))
    rivals = [name for name in names if name != "mpnas"]
    colours = [
        *(to_hex(colormaps["tab10"](index)) for index in (1, 0, 2, 4, 5, 6, 8, 7, 9)),
        "#000000",
        "#0b6623",
        "#00429d",
        "#b8860b",
        "#e6007e",
        "#4b0082",
        "#7fbf00",
    ]
    of_name = {"mpnas": _OURS, **dict(zip(rivals, cycle(colours), strict=False))}
    return {
        name: Look(
            of_name[name.removesuffix(", far")],
            2.6 if name.startswith("mpnas") else 1.2,
            "dash" if name.endswith(", far") else "solid",
            0.22 if name.startswith("mpnas") else 0.08,
        )
        for name in METHODS
    }


def save_curves(results: Comparison, path: Path) -> None:
    """Draw one panel a column: median regret and its interval against queries."""
    rows = -(-(len(results.grounds) + 1) // _COLUMNS)
    figure = Figure(figsize=(3.6 * _COLUMNS, 3.0 * rows), layout="constrained")
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    queries, of_name = np.arange(1, results.budget + 1), looks()
    handles = {}
    for panel, ground in zip(panels, results.grounds, strict=False):
        for name in reversed(results.methods):  # the first, ours, on top
            found = results.find(name, ground.column)
            if found is None:
                continue
            look, curve = of_name[name], found.curve
            line = "--" if look.dash == "dash" else "-"
            style = {"color": look.colour, "linewidth": look.width, "linestyle": line}
            (handles[name],) = panel.step(queries, np.maximum(curve.median, FLOOR), where="post", **style)
            if found.seeds > 1:
                low, high = (np.maximum(values, FLOOR) for values in (curve.low, curve.high))
                panel.fill_between(queries, low, high, step="post", color=look.colour, alpha=look.alpha, linewidth=0)
        panel.set_yscale("log")
        panel.set_ylim(FLOOR, 300)
        panel.yaxis.set_major_locator(FixedLocator([FLOOR, 1, 10, 100]))
        panel.yaxis.set_major_formatter(FuncFormatter(lambda percent, _: f"{percent:g}" if percent > FLOOR else "best"))
        panel.set_xlim(1, max(2, results.budget))
        panel.set_title(ground.column.searched.replace("/", ": "), fontsize=10)
        panel.grid(alpha=0.3)
    for panel in panels[len(results.grounds) :]:
        panel.axis("off")
    ordered = [name for name in results.methods if name in handles]
    panels[len(results.grounds)].legend(
        [handles[name] for name in ordered], ordered, loc="center", frameon=False, ncols=-(-len(ordered) // 9)
    )
    figure.supxlabel("queries")
    figure.supylabel("median regret, % of the way from best to median")
    with atomic_path(path) as part:
        figure.savefig(part, format="png", dpi=100)
