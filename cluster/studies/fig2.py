"""Figure 2: Spearman correlation against the number of fine-tuning models on NAS-Bench-201."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cluster.studies.folds import LEAVE_ONE_OUT, NASBENCH201
from cluster.studies.measuring import CURVES
from cluster.studies.pages import PROTOCOL, READING, TUNED, TargetTable
from cluster.studies.plots import save_curves
from cluster.studies.results import Row, Rows
from cluster.studies.study import Study
from cluster.studies.units import Unit
from mpnas_ray.tables import TableTask

__all__ = ["FIG2"]

_POINTS = (5, 10, 25, 50, 100)
_NUM_DRAWS = 5


def _five_draws(rows: list[Row], _: Mapping[str, TableTask]) -> list[Row]:
    """What the curves show: the first five draws of each number of models."""
    return [
        replace(row, values=row.values[:_NUM_DRAWS])
        for row in rows
        if row.target in NASBENCH201 and row.method in CURVES and row.points in _POINTS
    ]


def _page(rows: Rows) -> str:
    shown = {points: TargetTable(rows, "fig2", NASBENCH201, CURVES, points, with_paper=False) for points in _POINTS}
    tables = "\n\n".join(f"## {points} fine-tuning models\n\n{table}" for points, table in shown.items())
    return f"""![Spearman correlation against the number of fine-tuning models](fig2.png)

{READING} We read it as: one panel a task of NAS-Bench-201, left out of meta-learning; the curves are means of
{_NUM_DRAWS} draws of fine-tuning models, the bars their standard errors. The numbers behind the paper's curves are not
known to us. `mixture` is our default, told whether a target measures a quality or a cost, `boil` the paper's algorithm,
`random` the same network fine-tuned from random weights.

{PROTOCOL.replace("over 10 draws", "over 5 draws")}

{TUNED}

{tables}
"""


def _plot(rows: Rows, path: Path) -> None:
    save_curves(rows, NASBENCH201, CURVES, _POINTS, path)


FIG2 = Study(
    "fig2",
    "Figure 2: how many fine-tuning models it takes, NAS-Bench-201",
    tuple(Unit(fold, method) for method in CURVES for fold in LEAVE_ONE_OUT),
    _page,
    _five_draws,
    _plot,
)
