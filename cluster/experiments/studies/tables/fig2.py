"""Spearman correlation against the number of fine-tuning models on NAS-Bench-201; the paper has no such figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cluster.experiments.protocol.folds import LEAVE_ONE_OUT, NASBENCH201
from cluster.experiments.protocol.measuring import CURVES
from cluster.experiments.studies.ranking.charts import curves
from cluster.experiments.studies.ranking.pages import FINE_TUNED, FROM_SCRATCH, PROTOCOL, TUNED, TargetTable
from cluster.experiments.studies.ranking.plots import save_curves
from cluster.experiments.studies.ranking.rows import Row, Rows
from cluster.experiments.studies.ranking.study import RankingStudy
from cluster.experiments.studies.ranking.units import Unit
from mpnas_ray.tables import TableTask

__all__ = ["FIG2"]

_POINTS = (5, 10, 25, 50, 100)
_NUM_DRAWS = 5


def _five_draws(rows: list[Row], _: Mapping[str, TableTask]) -> list[Row]:
    """Keep what the curves show: the first five draws of each number of models."""
    return [
        replace(row, values=row.values[:_NUM_DRAWS])
        for row in rows
        if row.target in NASBENCH201 and row.method in CURVES and row.points in _POINTS
    ]


def _page(rows: Rows) -> str:
    shown = {points: TargetTable(rows, NASBENCH201, CURVES, points) for points in _POINTS}
    tables = "\n\n".join(f"## {points} fine-tuning models\n\n{table}" for points, table in shown.items())
    return f"""![Spearman correlation against the number of fine-tuning models](fig2.png)

**The paper's figure 2 shows something else**, so no number here stands beside one of its. It meta-learns from synthetic
tasks: CIFAR-100's accuracies on NAS-Bench-201 with white noise added, 256 architectures to learn from, 5 to fine-tune
on, all others judged, means of 40 runs. It shows how the ranking of a left-out task depends on (A) the correlation of
the tasks, (B) their number and (C) the number of uncorrelated tasks among them; a picture, and its text gives no
correlations: (A) a higher correlation ranks better, (B) from 1 to 5 tasks it gains slightly and from there on less than
2 %, (C) ten times as many uncorrelated tasks as the ten correlated ones leave no more than random weights have. What it
says of the number of fine-tuning models is in [table 3](table3.md), for TransNAS-Bench-101.

Here each panel is a task of NAS-Bench-201, left out of meta-learning; the curves are means of {_NUM_DRAWS} draws of
fine-tuning models, the bars their standard errors. `mixture` is our default, told whether a target measures a quality
or a cost, `boil` the paper's algorithm, `random` a graph network trained from random
weights on the fine-tuning models alone. A dash stands for what was not measured.

{PROTOCOL.replace("over 10 draws", "over 5 draws")}

{FROM_SCRATCH}

{FINE_TUNED}

{TUNED}

{tables}
"""


def _plot(rows: Rows, path: Path) -> None:
    save_curves(rows, NASBENCH201, CURVES, _POINTS, path)


FIG2 = RankingStudy(
    "fig2",
    "How many fine-tuning models it takes, NAS-Bench-201",
    tuple(Unit(fold, method) for method in CURVES for fold in LEAVE_ONE_OUT),
    _page,
    _five_draws,
    _plot,
    lambda rows: curves(rows, NASBENCH201, CURVES, _POINTS),
)
