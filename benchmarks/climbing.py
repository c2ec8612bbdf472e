"""Measure what climbing adds in a space too large to list: benchmarks/results/climbing.{json,md}.

    python benchmarks/climbing.py --tables DIR --checkpoints DIR

`MPNASSearch` searches the 423,624 cells of NAS-Bench-101 with a predictor that has learned nothing of CIFAR-10: once
with the neighbours of its best candidates (`searchers.model_based.ranking.climbing`), once with the sample alone. Runs
of one seed begin with the same random cell.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from timing import RESULTS, facts, write_results

from cluster.artifacts.learned_predictors import PredictorToLearn, learn_once
from cluster.experiments.comparison.report.formatting import value
from cluster.experiments.comparison.summary.measures import Scale, best_so_far
from cluster.experiments.replay.table import replay
from mpnas_ray.meta_learning.mixture import MixtureConfig, MixturePredictor
from mpnas_ray.pretrained import load_checkpoint
from mpnas_ray.stats import Interval, bootstrap_interval
from mpnas_ray.tables import TableTask, leaves_out, load_tasks
from searchers import MPNASSearch

TASK = "nasbench101/cifar10"
BUDGET = 100
MOMENTS = (20, 50, 100)


def run(predictor: MixturePredictor, task: TableTask, scale: Scale, seed: int, climbs: bool) -> dict[str, Any]:
    first = str(task.archs[int(np.random.default_rng(seed).integers(len(task)))])
    searcher = MPNASSearch(task.archs.space, predictor=predictor, seed=seed, points_to_evaluate=[first])
    start = time.process_time()
    with patch("searchers.model_based.ranking.climbing._ROUNDS", 3 if climbs else 0):
        found = replay(searcher, task, BUDGET)
    if searcher.num_failures:
        raise RuntimeError(f"The searcher failed {searcher.num_failures} times with seed {seed}.")
    regret = scale.regret(best_so_far([found.scores], BUDGET, scale.worst)[0])
    return {
        "seed": seed,
        "climbs": climbs,
        "regret": {str(moment): float(regret[moment - 1]) for moment in MOMENTS},
        "queries": {goal: found.queries_to(score) for goal, score in scale.goals.items()},
        "cpu_seconds": time.process_time() - start,
    }


def page(about: dict[str, Any], runs: list[dict[str, Any]]) -> list[str]:
    lines = [
        "# Climbing from the best of a sample",
        "",
        f"`{about['command']}`, {about['machine']}, {about['versions']}.",
        "",
        "`MPNASSearch` on NAS-Bench-101 with a predictor that has learned nothing of CIFAR-10. It ranks 10,000 random",
        "cells at each refit; with climbing, three times the neighbours of the 50 best too. Mean regret in percent of",
        "the way from the median cell to the best, with 95 % bootstrap intervals over seeds, and the median of queries",
        f"to the best cells (a run that did not get there counts as {2 * BUDGET}).",
        "",
        f"| | seeds | {' | '.join(f'regret at {one}' for one in MOMENTS)} | top 1 % | top 0.1 % | CPU s |",
        f"| --- | ---: | {' | '.join('---:' for _ in MOMENTS)} | ---: | ---: | ---: |",
    ]
    for climbs in (True, False):
        found = [one for one in runs if one["climbs"] == climbs]
        regrets = [regret_at(found, moment) for moment in MOMENTS]
        queries = [
            np.median([one["queries"][goal] or 2 * BUDGET for one in found]) for goal in ("top 1 %", "top 0.1 %")
        ]
        lines.append(
            f"| {'with climbing' if climbs else 'the sample alone'} | {len(found)} | "
            f"{' | '.join(value(one) for one in regrets)} | {queries[0]:.0f} | {queries[1]:.0f} | "
            f"{np.median([one['cpu_seconds'] for one in found]):.1f} |"
        )
    return lines


def regret_at(runs: list[dict[str, Any]], moment: int) -> Interval:
    regrets = np.array([one["regret"][str(moment)] for one in runs])
    return bootstrap_interval(regrets, statistic=np.mean, rng=np.random.default_rng(0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, required=True, help="folder of NAS tables")
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder of predictors, made if missing")
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    tasks = load_tasks(options.tables)
    command = "python benchmarks/climbing.py"
    path = options.checkpoints / "without-nasbench101-cifar10"
    wanted = PredictorToLearn.of(path, leaves_out(tasks, [TASK]), MixtureConfig(), command)
    predictor = load_checkpoint(learn_once(wanted, print))[0]
    assert isinstance(predictor, MixturePredictor)
    scale, runs = Scale.of(tasks[TASK]), []
    for seed in range(options.seeds):
        for climbs in (True, False):
            runs.append(run(predictor, tasks[TASK], scale, seed, climbs))
            print(runs[-1], flush=True)
    about = facts("torch", "numpy", "scipy")
    write_results(RESULTS, "climbing", {**about, "runs": runs}, page(about, runs))


if __name__ == "__main__":
    main()
