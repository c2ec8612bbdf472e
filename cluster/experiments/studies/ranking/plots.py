"""Pictures of studies (matplotlib, without its global state)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cluster.experiments.studies.ranking.pages import number
from cluster.experiments.studies.ranking.rows import Rows
from cluster.report.methods.looks import looks_of
from cluster.report.methods.pictures import line_style
from mpnas_ray.files.atomic import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["save_curves", "save_heat_maps"]

_COLUMNS = 4


def save_curves(rows: Rows, targets: Sequence[str], methods: Sequence[str], points: Sequence[int], path: Path) -> None:
    """Draw one panel a target: mean and standard error of each method against the number of fine-tuning models."""
    lines = -(-(len(targets) + 1) // _COLUMNS)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.1 * _COLUMNS, 2.6 * lines), layout="constrained")
    panels = figure.subplots(lines, _COLUMNS, squeeze=False).ravel()
    positions, looks = np.arange(len(points)), looks_of(methods, focus=methods[0])
    for panel, target in zip(panels, targets, strict=False):
        for method in methods:
            found = [rows.find(method, target, number_of) for number_of in points]
            estimates = [None if row is None else row.estimate for row in found]
            means = [np.nan if item is None else item.mean for item in estimates]
            errors = [0.0 if item is None else item.standard_error or 0.0 for item in estimates]
            style = {**line_style(looks[method]), "markevery": 1}
            panel.errorbar(positions, means, errors, label=method, capsize=2, **style)
        panel.set_title(target.partition("/")[2], fontsize=10)
        panel.set_xticks(positions, [str(number_of) for number_of in points])
        panel.grid(alpha=0.3)
    for panel in panels[len(targets) :]:
        panel.axis("off")
    handles, labels = panels[0].get_legend_handles_labels()
    panels[len(targets)].legend(handles, labels, loc="center", frameon=False)
    figure.supxlabel("fine-tuning models", fontsize=10)
    figure.supylabel("Spearman correlation", fontsize=10)
    _save(figure, path)


def save_heat_maps(maps: Mapping[str, tuple[Sequence[str], NDArray[np.float64]]], path: Path) -> None:
    """Draw square matrices side by side, title -> (names, values ``[source, target]`` between -1 and 1)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.2 * len(maps), 5.4), layout="constrained")
    panels = figure.subplots(1, len(maps), squeeze=False)[0]
    for panel, (title, (names, matrix)) in zip(panels, maps.items(), strict=True):
        panel.imshow(matrix, cmap="RdBu", vmin=-1, vmax=1)
        panel.set_title(title)
        panel.set_xticks(range(len(names)), names, rotation=40, ha="right")
        panel.set_yticks(range(len(names)), names)
        panel.set_xlabel("target")
        panel.set_ylabel("source")
        for (row, column), value in np.ndenumerate(matrix):
            colour = "white" if abs(value) > 0.6 else "black"
            panel.text(column, row, number(float(value)), ha="center", va="center", fontsize=8, color=colour)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    with atomic_path(path) as part:
        figure.savefig(part, format="png", dpi=110)
