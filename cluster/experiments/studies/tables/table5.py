"""Table 5, its rank correlations: zero-shot, without a single fine-tuning model."""

from __future__ import annotations

from cluster.experiments.protocol.folds import LEAVE_ONE_OUT, NASBENCH201
from cluster.experiments.studies.ranking.pages import (
    OTHER_SOURCES,
    PROTOCOL,
    READING,
    TIMED,
    TUNED,
    TargetTable,
    seconds_table,
)
from cluster.experiments.studies.ranking.rows import Rows
from cluster.experiments.studies.ranking.study import RankingStudy
from cluster.experiments.studies.ranking.units import Unit

__all__ = ["TABLE5"]

_METHODS = ("mixture", "mixture, kind not told", "boil", "mean-rank", "mean-rank, same kind", "parameters")
_TARGETS = NASBENCH201[:5]


def _page(rows: Rows) -> str:
    papers = TargetTable(rows, _TARGETS[:4], _METHODS, 0, paper=5)
    table = TargetTable(rows, _TARGETS, _METHODS, 0)
    return f"""{READING}

The paper's table 5 sets its predictor against that of MetaD2A on four classification tasks of NAS-Bench-201,
the only kind that MetaD2A takes: Spearman correlations without any fine-tuning models, after meta-learning
that leaves out the target, and the best accuracy found in 30 queries, mean of ten runs, which is picked on validation.
This page has the rank correlations; accuracies stand in [compare-table5.md](compare-table5.md).

`mixture` is our default, told whether a target measures a quality or a cost, and in the next column not told; `boil`
the paper's algorithm, which learns costs as they are measured, higher for slower. `mean-rank` is the mean rank of an
architecture on the other tasks of NAS-Bench-201 that it may know, `same kind` on those that measure a quality like the
target; `parameters` the number of weights of the cell's operations.

{PROTOCOL}

{TUNED}

## No fine-tuning models, the paper's four tasks, random split

{OTHER_SOURCES} Both learn from half of the architectures; ours is judged on the other half, and which
ones the paper judges here it does not say.

{papers}

{papers.wins_and_losses()}

## No fine-tuning models, random split

{table}

{table.wins_and_losses()}

## Time

{TIMED}

{seconds_table(rows, _METHODS)}
"""


TABLE5 = RankingStudy(
    "table5",
    "Table 5: zero-shot ranking of NAS-Bench-201",
    tuple(Unit(fold, method) for method in ("mixture", "boil", "free") for fold in LEAVE_ONE_OUT[: len(_TARGETS)]),
    _page,
)
