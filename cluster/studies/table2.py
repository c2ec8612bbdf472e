"""Table 2: the meta-learning algorithms side by side on NAS-Bench-201."""

from __future__ import annotations

from cluster.studies.folds import LEAVE_ONE_OUT, NASBENCH201
from cluster.studies.pages import PROTOCOL, READING, TUNED, TargetTable, curve_table, other_points, seconds_table
from cluster.studies.results import Rows
from cluster.studies.study import Study
from cluster.studies.units import Unit

__all__ = ["TABLE2"]

_METHODS = ("mixture", "boil", "maml", "anil")


def _page(rows: Rows) -> str:
    five = TargetTable(rows, "table2", NASBENCH201, _METHODS, 5)
    apart = TargetTable(rows, "table2", NASBENCH201, _METHODS[:1], 5, split="class", with_paper=False)
    return f"""{READING} We read it as: leave-one-task-out on NAS-Bench-201, one column an algorithm. `mixture` is our
default, told whether a target measures a quality or a cost; `boil`, `maml` and `anil` are the algorithms that the paper
compares, `boil` its choice.

{PROTOCOL}

{TUNED}

## 5 fine-tuning models, random split

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

{seconds_table(rows, _METHODS)}
"""


TABLE2 = Study(
    "table2",
    "Table 2: meta-learning algorithms on NAS-Bench-201, one task left out",
    (
        *(Unit(fold, method) for method in _METHODS for fold in LEAVE_ONE_OUT),
        *(Unit(fold, "mixture", "class") for fold in LEAVE_ONE_OUT),
    ),
    _page,
)
