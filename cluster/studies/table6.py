"""Table 6: from NAS-Bench-201 to other search spaces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cluster.studies.folds import ACROSS_SPACES, NASBENCH101, STRICT_ACROSS_SPACES, TRANSNASBENCH101
from cluster.studies.pages import POINTS, READING, TUNED, TargetTable, curve_table, seconds_table
from cluster.studies.results import Row, Rows
from cluster.studies.splits import Split
from cluster.studies.study import Study
from cluster.studies.units import Unit
from mpnas_ray.tables import TableTask

__all__ = ["TABLE6"]

_CLASS_METHODS = ("mixture", "mixture, kind not told")
_METHODS = (*_CLASS_METHODS, "boil")
_FOLDS = (ACROSS_SPACES, STRICT_ACROSS_SPACES)
_SPLITS: tuple[Split, ...] = ("random", "class")
_STRICT = f"{NASBENCH101}, strict"
_OTHERS = (NASBENCH101, _STRICT, "nasbenchasr")


def _strict_apart(rows: list[Row], _: Mapping[str, TableTask]) -> list[Row]:
    """The two rows of NAS-Bench-101 under names of their own."""
    return [replace(row, target=_STRICT) if row.fold == STRICT_ACROSS_SPACES.name else row for row in rows]


def _page(rows: Rows) -> str:
    near = TargetTable(rows, "table6", TRANSNASBENCH101, _METHODS, 5)
    far = TargetTable(rows, "table6", _OTHERS, _METHODS, 5, with_mean=False)
    near_apart = TargetTable(rows, "table6", TRANSNASBENCH101, _CLASS_METHODS, 5, split="class", with_paper=False)
    far_apart = TargetTable(
        rows, "table6", _OTHERS, _CLASS_METHODS, 5, split="class", with_paper=False, with_mean=False
    )
    others = "\n\n".join(
        f"### {points} fine-tuning models\n\n{_both(rows, points)}" for points in POINTS if points != 5
    )
    return f"""{READING} We read it as: meta-learned on NAS-Bench-201 alone, all seven of its tasks, and judged in other
search spaces with five fine-tuning models. `mixture` is our default, told whether a target measures a quality or a cost
(here always a quality), `boil` the paper's algorithm.

Numbers are Spearman correlations between predicted and measured scores, as mean ± standard error over 10 draws of
fine-tuning models; without fine-tuning models there is one number. Half of NAS-Bench-201's architectures are learned
from. All 4,096 cells of TransNAS-Bench-101 are for fine-tuning and judging, and 20,000 random ones of NAS-Bench-101,
the same for all methods. As graphs, TransNAS-Bench-101's cells are among NAS-Bench-201's; its tasks are not. In the
class split NAS-Bench-201 is halved by networks rather than texts, and no twin of a fine-tuning model is judged.

- `{NASBENCH101}` is the paper's variant: NAS-Bench-201's CIFAR-10 stays among the sources, the same data in another
  space.
- `{_STRICT}` learns nothing from CIFAR-10.
- NAS-Bench-ASR cannot be judged on: its table is not publicly available any more.

{TUNED}

## 5 fine-tuning models, TransNAS-Bench-101

{near}

{near.wins_and_losses()}

## 5 fine-tuning models, other spaces

{far}

{far.wins_and_losses()}

## 5 fine-tuning models, class split of NAS-Bench-201

{near_apart}

{far_apart}

## Means over TransNAS-Bench-101's seven tasks

{curve_table(rows, TRANSNASBENCH101, _METHODS, study="table6")}

## Each task

{others}

## Time

{seconds_table(rows, _METHODS)}
"""


def _both(rows: Rows, points: int) -> str:
    near = TargetTable(rows, "table6", TRANSNASBENCH101, _METHODS, points, with_paper=False)
    far = TargetTable(rows, "table6", _OTHERS[:2], _METHODS, points, with_paper=False, with_mean=False)
    return f"{near}\n\n{far}"


TABLE6 = Study(
    "table6",
    "Table 6: from NAS-Bench-201 to other search spaces",
    (
        *(Unit(fold, "mixture", split) for split in _SPLITS for fold in _FOLDS),
        *(Unit(fold, "boil") for fold in _FOLDS),
    ),
    _page,
    _strict_apart,
)
