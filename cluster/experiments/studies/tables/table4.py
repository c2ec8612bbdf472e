"""Table 4: NAS-Bench-201, one task left out, five fine-tuning models, against baselines."""

from __future__ import annotations

from cluster.experiments.protocol.folds import FROM_NASBENCH201, LEAVE_ONE_OUT, NASBENCH201
from cluster.experiments.protocol.splits import Split
from cluster.experiments.studies.ranking.pages import (
    FINE_TUNED,
    FROM_SCRATCH,
    OTHER_FINE_TUNING,
    OTHER_SOURCES,
    POINTS,
    PROTOCOL,
    READING,
    TIMED,
    TUNED,
    TargetTable,
    curve_table,
    markdown_table,
    other_points,
    seconds_table,
    shown,
)
from cluster.experiments.studies.ranking.rows import Rows, with_transfer
from cluster.experiments.studies.ranking.study import RankingStudy
from cluster.experiments.studies.ranking.units import Unit

__all__ = ["TABLE4"]

_METHODS = (
    "mixture",
    "mixture, kind not told",
    "boil",
    "pretraining",
    "transfer",
    "random",
    "mean-rank",
    "mean-rank, same kind",
    "parameters",
)
_CLASS_METHODS = ("mixture", "mixture, kind not told", "mean-rank", "mean-rank, same kind", "parameters")
_SPLITS: tuple[Split, ...] = ("random", "class")
_SECOND_SEED = tuple(fold for fold in LEAVE_ONE_OUT if fold.name in ("cifar10", "darcy"))


def _page(rows: Rows) -> str:
    five = TargetTable(rows, NASBENCH201, _METHODS, 5, paper=4)
    apart = TargetTable(rows, NASBENCH201, _CLASS_METHODS, 5, split="class")
    return f"""{READING}

The paper's table 4 leaves out each of seven tasks of NAS-Bench-201 in turn: the predictor is meta-learned from the
other six on 7,812 architectures, fine-tuned on 5 and judged on the remaining 7,808. Beside it stand the same network
from random weights, and naive transfer: trained on each of the other six tasks alone and then fine-tuned on the five,
the mean of these six. How the random weights are trained it does not say. The seven rows of its MP-NAS have mean .76;
it prints .75. Ours against these ways to do without meta-learning, and more:

- `mixture`: our default, told whether a target measures a quality or a cost; in the next column not told.
- `boil`: the paper's algorithm.
- `pretraining`: trained on all sources at once, then body and head fine-tuned.
- `transfer`: trained on one other task of NAS-Bench-201, then fine-tuned; the mean over these sources.
- `random`: nothing learned; a graph network trained on the five from random weights.
- `mean-rank`: mean rank of an architecture on the other tasks of NAS-Bench-201 that it may know, where the table has it
  measured; `same kind`: on those that measure a quality, or a cost, like the target. They use no points. The CPU
  latency lacks 341 cells, which stand in the middle where it is the only source.
- `parameters`: the number of weights of the cell's operations, larger first. It uses no points.

{PROTOCOL}

{FROM_SCRATCH}

{FINE_TUNED}

{TUNED}

## 5 fine-tuning models, random split

{OTHER_SOURCES} {OTHER_FINE_TUNING} Our CPU latency is of the paper's device, without the 341 cells that have no path,
our GPU latency of another. `transfer` learns from those of the other six tasks that share no data set or device with
the target.

{five}

{five.wins_and_losses()}

## 5 fine-tuning models, class split

{apart}

{apart.wins_and_losses()}

## Means over the seven tasks, random split

{curve_table(rows, NASBENCH201, _METHODS)}

## Means over the seven tasks, class split

{curve_table(rows, NASBENCH201, _CLASS_METHODS, split="class")}

## A second meta-training

The same folds with other initial weights and batches, `mixture`, random split:

{_seeds(rows)}

## Each task, random split

{other_points(rows, NASBENCH201, _METHODS)}

## Time

{TIMED}

{seconds_table(rows, _METHODS)}
"""


def _seeds(rows: Rows) -> str:
    lines = []
    for fold in _SECOND_SEED:
        for target in fold.targets:
            for seed in (0, 1):
                found = [rows.find("mixture", target, points, seed=seed, fold=fold.name) for points in POINTS]
                lines.append([target, str(seed), *(shown(row.estimate if row else None) for row in found)])
    return markdown_table(["target", "seed", *(f"{points} models" for points in POINTS)], lines)


TABLE4 = RankingStudy(
    "table4",
    "Table 4: NAS-Bench-201, one task left out, against baselines",
    (
        *(Unit(fold, "mixture", split) for split in _SPLITS for fold in LEAVE_ONE_OUT),
        *(Unit(fold, "boil") for fold in LEAVE_ONE_OUT),
        *(Unit(fold, "mixture", seed=1) for fold in _SECOND_SEED),
        *(Unit(fold, "pretraining") for fold in LEAVE_ONE_OUT),
        *(Unit(fold, "transfer") for fold in FROM_NASBENCH201),
        *(Unit(fold, "random") for fold in LEAVE_ONE_OUT),
        *(Unit(fold, "free", split) for split in _SPLITS for fold in LEAVE_ONE_OUT),
    ),
    _page,
    with_transfer,
)
