"""Table 6: from NAS-Bench-201 to other search spaces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cluster.experiments.protocol.folds import ACROSS_SPACES, NASBENCH101, STRICT_ACROSS_SPACES, TRANSNASBENCH101
from cluster.experiments.protocol.published import MEAN, MP_NAS, published
from cluster.experiments.protocol.splits import Split
from cluster.experiments.studies.ranking.pages import (
    FINE_TUNED,
    POINTS,
    READING,
    TIMED,
    TUNED,
    TargetTable,
    curve_table,
    seconds_table,
    shown_paper,
)
from cluster.experiments.studies.ranking.rows import Row, Rows
from cluster.experiments.studies.ranking.study import RankingStudy
from cluster.experiments.studies.ranking.units import Unit
from mpnas_ray.tables import TableTask

__all__ = ["TABLE6"]

_CLASS_METHODS = ("mixture", "mixture, kind not told")
_METHODS = (*_CLASS_METHODS, "boil")
_FOLDS = (ACROSS_SPACES, STRICT_ACROSS_SPACES)
_SPLITS: tuple[Split, ...] = ("random", "class")
_STRICT = f"{NASBENCH101}, strict"
_OTHERS = (NASBENCH101, _STRICT, "nasbenchasr")

_APART = """\
Sources, number of fine-tuning models and evaluation runs are the paper's. **In kind only**, since one of the seven
sources differs (its GPU latency is of a Jetson Nano, ours of a GTX 1080 Ti), and of NAS-Bench-101 we judge 20,000
architectures where the paper judges all.\
"""


def _strict_apart(rows: list[Row], _: Mapping[str, TableTask]) -> list[Row]:
    """Give the two rows of NAS-Bench-101 names of their own."""
    return [replace(row, target=_STRICT) if row.fold == STRICT_ACROSS_SPACES.name else row for row in rows]


def _page(rows: Rows) -> str:
    near = TargetTable(rows, TRANSNASBENCH101, _METHODS, 5, paper=6)
    far = TargetTable(rows, _OTHERS, _METHODS, 5, paper=6, with_mean=False)
    near_apart = TargetTable(rows, TRANSNASBENCH101, _CLASS_METHODS, 5, split="class")
    far_apart = TargetTable(rows, _OTHERS, _CLASS_METHODS, 5, split="class", with_mean=False)
    others = "\n\n".join(
        f"### {points} fine-tuning models\n\n{_both(rows, points)}" for points in POINTS if points != 5
    )
    means = [shown_paper(published(6, MEAN, column, 5)) for column in (MP_NAS, "Naive Tran.", "Rand. Init.")]
    return f"""{READING}

The paper's table 6 learns from all seven tasks of NAS-Bench-201 on 7,812 of its architectures and from nothing else,
fine-tunes on 5 architectures of a task of another search space and judges all the others there: TransNAS-Bench-101's
seven tasks, NAS-Bench-101 and NAS-Bench-ASR. Beside it stand random weights and naive transfer (trained on each source
task alone, then fine-tuned; their mean). Its own means are over all nine: {means[0]}, {means[1]} for naive
transfer and {means[2]} for random weights. `mixture` is our default, told
whether a target measures a quality or a cost (here always a quality), `boil` the paper's algorithm.

Numbers are Spearman correlations between predicted and measured scores, as mean ± standard error over 10 draws of
fine-tuning models; without fine-tuning models there is one number. Half of NAS-Bench-201's architectures are learned
from. All 4,096 cells of TransNAS-Bench-101 are for fine-tuning and judging, and 20,000 random ones of NAS-Bench-101,
the same for all methods. As graphs, TransNAS-Bench-101's cells are among NAS-Bench-201's; its tasks are not. In the
class split NAS-Bench-201 is halved by networks rather than texts, and no cell is judged that is isomorphic to a
fine-tuning model.

- `{NASBENCH101}` is the paper's variant: NAS-Bench-201's CIFAR-10 stays among the sources, the same data in another
  space.
- `{_STRICT}` learns nothing from CIFAR-10.
- NAS-Bench-ASR cannot be judged on: its table is not publicly available any more.

{FINE_TUNED}

{TUNED}

## 5 fine-tuning models, TransNAS-Bench-101

{_APART} The paper's means over the seven tasks are computed here from its rows.

{near}

{near.wins_and_losses()}

## 5 fine-tuning models, other spaces

{_APART}

{far}

{far.wins_and_losses()}

## 5 fine-tuning models, class split of NAS-Bench-201

{near_apart}

{far_apart}

## Means over TransNAS-Bench-101's seven tasks

In kind only beside the paper's, as above; it fine-tunes on five models alone.

{curve_table(rows, TRANSNASBENCH101, _METHODS, paper=6)}

## Each task

{others}

## Time

{TIMED}

{seconds_table(rows, _METHODS)}
"""


def _both(rows: Rows, points: int) -> str:
    near = TargetTable(rows, TRANSNASBENCH101, _METHODS, points)
    far = TargetTable(rows, _OTHERS[:2], _METHODS, points, with_mean=False)
    return f"{near}\n\n{far}"


TABLE6 = RankingStudy(
    "table6",
    "Table 6: from NAS-Bench-201 to other search spaces",
    (
        *(Unit(fold, "mixture", split) for split in _SPLITS for fold in _FOLDS),
        *(Unit(fold, "boil") for fold in _FOLDS),
    ),
    _page,
    _strict_apart,
)
