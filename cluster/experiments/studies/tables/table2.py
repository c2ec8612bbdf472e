"""Table 2: TransNAS-Bench-101 with five fine-tuning models, and meta-learning algorithms side by side."""

from __future__ import annotations

from cluster.experiments.protocol.folds import FROM_TRANSNASBENCH101, LEAVE_ONE_OUT, NASBENCH201, TRANSNASBENCH101
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
from cluster.experiments.studies.ranking.rows import Rows, with_transfer
from cluster.experiments.studies.ranking.study import RankingStudy
from cluster.experiments.studies.ranking.units import Unit

__all__ = ["TABLE2"]

_METHODS = ("mixture", "boil", "maml", "anil")
_WITH_BASELINES = ("mixture", "boil", "transfer", "random")


def _page(rows: Rows) -> str:
    transnas = TargetTable(rows, TRANSNASBENCH101, _WITH_BASELINES, 5, paper=2)
    five = TargetTable(rows, NASBENCH201, _METHODS, 5, paper=4)
    apart = TargetTable(rows, NASBENCH201, _METHODS[:1], 5, split="class")
    return f"""{READING}

The paper's table 2 leaves out each of TransNAS-Bench-101's seven tasks in turn: the predictor is meta-learned from the
other six on 2,048 architectures, fine-tuned on 5 and judged on the remaining 2,043. Beside it stand the same network
from random weights, and naive transfer: trained on each of the other six tasks alone and then fine-tuned on the five,
the mean of these six. The page begins with that table.

The paper compares meta-learning algorithms in its figure 3, on TransNAS-Bench-101; a picture, and its text has no
numbers of it but says that `boil` ranks better than `maml` and `anil`. The rest of the page compares them on
NAS-Bench-201, beside the numbers of the paper's table 4. `mixture` is our default, told whether a target measures a
quality or a cost; `boil` is the algorithm that the paper chose. [Table 4](table4.md) has transfers and random weights
on NAS-Bench-201.

{PROTOCOL}

{FROM_SCRATCH}

{FINE_TUNED}

{TUNED}

## 5 fine-tuning models, TransNAS-Bench-101, random split

{OTHER_SOURCES} {OTHER_FINE_TUNING} `transfer` is trained on one of the other six tasks of TransNAS-Bench-101 alone,
then fine-tuned: the mean over these six sources. `random` is trained on the five alone.

{transnas}

{transnas.wins_and_losses()}

## 5 fine-tuning models, NAS-Bench-201, random split

{OTHER_SOURCES} {OTHER_FINE_TUNING}

{five}

{five.wins_and_losses()}

## Means over the seven tasks, random split

{curve_table(rows, NASBENCH201, _METHODS)}

## 5 fine-tuning models, class split

{apart}

## Means over the seven tasks, class split

{curve_table(rows, NASBENCH201, _METHODS[:1], split="class")}

## Each task, random split

{other_points(rows, NASBENCH201, _METHODS)}

## Time

{TIMED}

{seconds_table(rows, (*_METHODS, "transfer", "random"))}
"""


TABLE2 = RankingStudy(
    "table2",
    "Table 2: TransNAS-Bench-101 with five fine-tuning models; meta-learning algorithms on NAS-Bench-201",
    (
        *(Unit(fold, method) for method in (*_METHODS, "random") for fold in LEAVE_ONE_OUT),
        *(Unit(fold, "transfer") for fold in FROM_TRANSNASBENCH101),
        *(Unit(fold, "mixture", "class") for fold in LEAVE_ONE_OUT),
    ),
    _page,
    with_transfer,
)
