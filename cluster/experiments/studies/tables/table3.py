"""Table 3: leave-one-task-out on TransNAS-Bench-101."""

from __future__ import annotations

from cluster.experiments.protocol.folds import LEAVE_ONE_OUT, TRANSNASBENCH101
from cluster.experiments.protocol.splits import Split
from cluster.experiments.studies.ranking.pages import (
    FINE_TUNED,
    FROM_SCRATCH,
    OTHER_FINE_TUNING,
    OTHER_SOURCES,
    PROTOCOL,
    READING,
    TIMED,
    TUNED,
    TargetTable,
    curve_table,
    other_points,
    seconds_table,
)
from cluster.experiments.studies.ranking.rows import Rows
from cluster.experiments.studies.ranking.study import RankingStudy
from cluster.experiments.studies.ranking.units import Unit

__all__ = ["TABLE3"]

_CLASS_METHODS = ("mixture", "mixture, kind not told")
_METHODS = (*_CLASS_METHODS, "boil", "random")
_SPLITS: tuple[Split, ...] = ("random", "class")


def _page(rows: Rows) -> str:
    five = TargetTable(rows, TRANSNASBENCH101, _METHODS, 5, paper=3)
    others = (TargetTable(rows, TRANSNASBENCH101, _METHODS, points, paper=3) for points in (0, 25, 50))
    wins_and_losses = "\n".join(table.wins_and_losses() for table in others)
    apart = TargetTable(rows, TRANSNASBENCH101, _CLASS_METHODS, 5, split="class")
    return f"""{READING}

The paper's table 3 leaves out each of TransNAS-Bench-101's seven tasks in turn, and shows how its predictor gains from
0, 5, 25 and 50 fine-tuning models beside random weights trained on 50; none of its columns has 10. The predictor is
meta-learned from the other six tasks on 2,048 architectures, and judged on those that are neither learned from nor
fine-tuned on. Its column of 5 models is that of table 2. `mixture` is our default, told whether a target measures a
quality or a cost (here always a quality), `boil` the paper's algorithm, `random` a graph network trained on the
fine-tuning models alone.

{PROTOCOL}

{FROM_SCRATCH}

{FINE_TUNED}

{TUNED}

## Means over the seven tasks, random split

{OTHER_SOURCES} {OTHER_FINE_TUNING}

{curve_table(rows, TRANSNASBENCH101, _METHODS, paper=3)}

## 5 fine-tuning models, random split

In kind only, as above.

{five}

{five.wins_and_losses()}

## 0, 25 and 50 fine-tuning models, random split

In kind only, as above; the numbers stand under each task, below.

{wins_and_losses}

## 5 fine-tuning models, class split

{apart}

## Means over the seven tasks, class split

{curve_table(rows, TRANSNASBENCH101, _CLASS_METHODS, split="class")}

## Each task, random split

In kind only beside the paper's numbers, as above.

{other_points(rows, TRANSNASBENCH101, _METHODS, paper=3)}

## Time

{TIMED} Units are shared with NAS-Bench-201, whose tasks are in these means.

{seconds_table(rows, _METHODS)}
"""


TABLE3 = RankingStudy(
    "table3",
    "Table 3: TransNAS-Bench-101, one task left out",
    (
        *(Unit(fold, "mixture", split) for split in _SPLITS for fold in LEAVE_ONE_OUT),
        *(Unit(fold, method) for method in ("boil", "random") for fold in LEAVE_ONE_OUT),
    ),
    _page,
)
