"""Measure how often predicted intervals hold the truth; benchmarks/results/prediction_intervals.{json,md}.

    python benchmarks/prediction_intervals.py --tables FOLDER

Each task of NAS-Bench-201 is predicted by a mixture predictor that has learned nothing of its data sets and devices, as
`mpnas predict` does it, after 0, 5 and 20 random measurements; the truth is where an architecture's measured score
stands in the whole table. The predictors are those of `mpnas reproduce table4`, which keeps them in runs/reproduce.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata
from timing import RESULTS, facts, write_results

from mpnas_ray.meta_learning.mixture import MixturePredictor
from mpnas_ray.predictors.percentiles import COVERAGE, predict_percentiles
from mpnas_ray.pretrained import load_checkpoint, refuse_if_seen
from mpnas_ray.tables import load_tasks

TASKS = ("cifar10", "cifar100", "imagenet16-120", "ninapro", "darcy", "cpu-latency", "gpu-latency")
NUM_MEASURED, NUM_ASKED = (0, 5, 20), 1_000


def measure(task_name: str, tables: Path, work: Path, draw: int) -> list[dict[str, Any]]:
    task = load_tasks(tables, [f"nasbench201/{task_name}"])[f"nasbench201/{task_name}"]
    predictor, card = load_checkpoint(work / f"{task_name}.mixture.random.0" / "predictor")
    refuse_if_seen(card, task)
    assert isinstance(predictor, MixturePredictor)
    true = 100 * (rankdata(task.scores) - 0.5) / len(task)
    order = np.random.default_rng([draw, TASKS.index(task_name)]).permutation(len(task))
    asked = order[-NUM_ASKED:]
    rows = []
    for number in NUM_MEASURED:
        measured = order[:number]
        adapted = predictor.measuring(task.kind).adapt(task.archs[measured], task.scores[measured])
        found = predict_percentiles(adapted, task.archs[asked], np.random.default_rng(draw))
        assert found.low is not None
        assert found.high is not None
        held = (found.low <= true[asked]) & (true[asked] <= found.high)
        rows.append(
            {
                "task": task_name,
                "draw": draw,
                "measured": number,
                "held": float(held.mean()),
                "held_of_best_tenth": float(held[true[asked] > 90].mean()),
                "width": float((found.high - found.low).mean()),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/reproduce"))
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for task in TASKS:
        for draw in range(given.draws):
            rows += measure(task, given.tables, given.work, draw)
            print(rows[-1], flush=True)
    content = {**facts("torch", "numpy"), "coverage": COVERAGE, "rows": rows}
    content["command"] = "python benchmarks/prediction_intervals.py --tables FOLDER"  # folders are this machine's
    write_results(given.out, "prediction_intervals", content, page(content, given.draws))


def page(content: dict[str, Any], draws: int) -> list[str]:
    def mean(key: str, measured: int, task: str | None = None) -> float:
        chosen = [r[key] for r in content["rows"] if r["measured"] == measured and task in (None, r["task"])]
        return float(np.mean(chosen))

    def line(name: str, task: str | None) -> str:
        cells = [
            f"{100 * mean('held', n, task):.0f} ({100 * mean('held_of_best_tenth', n, task):.0f}), "
            f"{mean('width', n, task):.0f}"
            for n in NUM_MEASURED
        ]
        return f"| {name} | {' | '.join(cells)} |"

    return [
        "# Prediction intervals",
        "",
        f"`{content['command']}`, {content['machine']}, {content['versions']}.",
        "",
        f"Percentage of {NUM_ASKED:,} random architectures of NAS-Bench-201 whose true percentile is within the",
        f"interval that should hold {100 * COVERAGE:.0f} %, in brackets of the best tenth alone, and the mean width of",
        "the intervals in percentiles; by predictors that have seen nothing of the task,",
        f"{draws} draws of measurements.",
        "The truth is one measured value; the intervals speak of a network's worth without the noise of its training.",
        "",
        "| task | " + " | ".join(f"{n} measured" if n else "nothing measured" for n in NUM_MEASURED) + " |",
        "| --- |" + " ---: |" * len(NUM_MEASURED),
        *(line(task, task) for task in TASKS),
        line("all", None),
    ]


if __name__ == "__main__":
    main()
