"""Write the page of benchmarks/explanations.py from its results."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.pages.markdown import markdown_table, wrapped
from mpnas_ray.stats import bootstrap_interval, spearman

Floats = NDArray[np.float64]
Rows = list[dict[str, Any]]

MEASURES = {
    "shapley score": "Shapley values",
    "within score": "within a cell",
    "top slot score": "highest slot",
    "deletion score": "deletion",
    "swaps": "swaps",
    "swap signs": "signs of swaps",
    "effects": "partial dependence",
    "motifs": "features",
}
"""Key of a measure -> its column."""

TRUSTED = 0.5
"""Correlation of Shapley values with the true ones, below which the page says that a task is explained badly."""


def mean(rows: Rows, key: str, **wanted: object) -> float:
    chosen = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    return float(np.mean([row[key] for row in chosen if key in row]))


def by_task(rows: Rows, key: str, **wanted: object) -> Floats:
    return np.array([mean(rows, key, task=task, **wanted) for task in dict.fromkeys(row["task"] for row in rows)])


def value(values: Floats) -> str:
    found = bootstrap_interval(values, statistic=np.mean, rng=np.random.default_rng(0))
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def summary_table(rows: Rows, methods: Iterable[tuple[str, int]], which: str) -> str:
    lines = []
    for method, points in sorted(methods, key=lambda each: (each[0] != "mp-nas", *each)):
        wanted = {"method": method, "points": points, "which": which}
        first, *others = (by_task(rows, key, **wanted) for key in MEASURES)
        ranking = by_task(rows, "ranking", **wanted)
        lines.append(
            [method, str(points), f"{ranking.mean():.2f}", value(first), *(f"{one.mean():.2f}" for one in others)]
        )
    return markdown_table(["predictor", "measured", "ranking", *MEASURES.values()], lines)


def large_table(rows: Rows) -> str:
    keys = ("shapley", "within", "top slot", "deletion", "swaps", "swap signs")
    names = ("Shapley values", "within a cell", "highest slot", "deletion", "swaps", "signs of swaps")
    lines = [
        [str(points), *(f"{mean(rows, key, points=points):.2f}" for key in keys)]
        for points in dict.fromkeys(row["points"] for row in rows)
    ]
    return markdown_table(["measured", *names], lines)


OF_TASK = {
    "ranking": "ranking",
    "shapley score": "Shapley values",
    "shapley rank": "those of ranks",
    "within score": "within a cell",
    "deletion score": "deletion",
    "swap signs": "signs of swaps",
    "sure": "sure swaps",
    "sure swap signs": "signs of these",
}


def task_table(rows: Rows) -> str:
    lines = []
    for task in sorted({row["task"] for row in rows}, key=lambda task: -shapley_of(rows, task)):
        wanted = {"task": task, "method": "mp-nas", "points": 10}
        cells = [mean(rows, key, which="any", **wanted) for key in OF_TASK]
        cells += [mean(rows, key, which="best", **wanted) for key in ("shapley score", "swap signs")]
        lines.append([task, *(f"{cell:.2f}" for cell in cells)])
    return markdown_table(["task", *OF_TASK.values(), "best cells: Shapley values", "signs of swaps"], lines)


def shapley_of(rows: Rows, task: str, which: str = "any") -> float:
    return mean(rows, "shapley score", task=task, method="mp-nas", points=10, which=which)


def page(content: dict[str, Any]) -> str:
    rows, seeds = content["rows"], content["seeds"]
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    badly = {
        which: ", ".join(
            f"{task} ({found:.2f})" for task in tasks if (found := shapley_of(rows, task, which)) < TRUSTED
        )
        for which in ("any", "best")
    }
    keys = ("swap signs", "sure", "sure swap signs", "ranking", "shapley score")
    wanted = {"method": "mp-nas", "points": 10}
    signs, sure, sure_signs, ranking, values = (by_task(rows, key, which="any", **wanted) for key in keys)
    of_best = by_task(rows, "swap signs", which="best", **wanted)
    methods = dict.fromkeys((row["method"], row["points"]) for row in rows)
    alike = {
        points: np.mean([row["spearman"] for row in seeds if row["points"] == points])
        for points in dict.fromkeys(row["points"] for row in seeds)
    }
    before = dict(zip(tasks, by_task(rows, "shapley score", which="any", method="mp-nas", points=0), strict=True))
    changed = {task: (before[task], shapley_of(rows, task)) for task in tasks}
    changed["nasbench101/cifar10"] = tuple(mean(content["large"], "shapley", points=points) for points in (0, 10))
    fallen = ", ".join(f"{task} ({a:.2f} to {b:.2f})" for task, (a, b) in changed.items() if b < a - 0.05)
    return wrapped(f"""
# Explanations beside the truth

`{content["command"]}`, {content["machine"]}, {content["versions"]}.

Every cell of NAS-Bench-201 and TransNAS-Bench-101 is measured. So what an explanation says of the predicted score is
computed of the measured score in the same way, and both are compared, on {len(tasks)} quality tasks. `mp-nas` is the
default predictor, meta-learned with two seeds without the data sets of the task and of two to four others, before any
measurement and after 10 and 50 random ones ({content["draws"]} draws). `gp-graf` knows no other task. All numbers are
means over tasks; in brackets stands the 95 % bootstrap interval over tasks.

- ranking: Spearman's correlation of predicted and measured scores over the space, for comparison.
- Shapley values: the same correlation of the slots' Shapley values and the true ones, over slots and cells; within a
cell: over its six slots, averaged over cells; highest slot: how often the slot of the highest value is the true one,
a sixth by chance.
- deletion: slots are replaced by random operations one after another, those of the highest value first, and the
measured score is averaged along the way. 0 is what a random order gives, 1 the order of the true values.
- swaps: correlation of predicted and measured changes; signs of swaps: how often both are better or both worse, swaps
to isomorphic cells left out.
- partial dependence: correlation over slots and operations.
- features: correlation of the mean scores of all cells that share the value of a graph feature.

## Any cells: {content["judged"]} random ones

{summary_table(rows, methods, "any")}

## The best cells: {content["judged"]} of the highest predicted score

{summary_table(rows, methods, "best")}

## Each task after 10 measurements

"Those of ranks" are Shapley values of normal scores of the measurements, in which a few failed cells do not decide. A
swap is sure if its predicted change is larger than its standard deviation. The last two columns are about the best
cells.

{task_table(rows)}

## A space of which no table is known

`mp-nas` without any table of NAS-Bench-101 explains {content["num_large"]} cells of it, each of five operations, whose
topology is measured with all 243 combinations of operations (CIFAR-10). In the two spaces above, the predictor
remembers what other tasks measured of the very same cells; here it does not.

{large_table(content["large"])}

## Two meta-trainings

Spearman's correlation of the Shapley values by the predictors of the two seeds, given the same points:
{", ".join(f"{found:.2f} after {points}" for points, found in alike.items())} measurements.

## Where explanations cannot be trusted

- On tasks that the predictor ranks badly: over tasks, the quality of the ranking and that of the Shapley values have a
rank correlation of {spearman(ranking, values):.2f}. Shapley values of random cells correlate by less than {TRUSTED}
with the true ones on {badly["any"] or "no task"}.
- In a space of which no table is known: {mean(content["large"], "shapley", points=10):.2f} after 10 measurements, and
{mean(content["large"], "swap signs", points=10):.0%} of the swaps have the right sign.
- After a few measurements where none would be better: from 0 to 10, the correlation falls by more than 0.05 on
{fallen or "no task"}.
- Among the best cells, which differ little: less than {TRUSTED} on {badly["best"] or "no task"}. Of their swaps,
{of_best.mean():.0%} have the right sign, of those of random cells {signs.mean():.0%}.
- In single swaps: {sure.mean():.0%} of those of random cells are sure, of which {sure_signs.mean():.0%} have the right
sign.
- Measurements are means of one to three trainings: a part of what is missing is noise of the truth.
""")
