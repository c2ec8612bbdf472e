"""Measure what our own table adds to the official ones, for its tasks: benchmarks/results/mini_gain.{json,md}.

    python benchmarks/mini_gain.py --tables DIR --checkpoints DIR

For each family of tasks of our own table (`Task.family`), two predictors are meta-learned with the family held out in
every table: from the official tables alone, and from them and our own. Both rank the architectures of the mixed space
that our table measured on the family's tasks, after 0, 5, 10 and 25 random ones of them; beside them a
graph network that knows nothing else. Predictors are kept in a folder; those that are there are used.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timing import RESULTS, facts, write_results

from cluster.artifacts.learned_predictors import PredictorToLearn, learn_once
from mpnas_ray.meta_learning.mixture import MixtureConfig, MixturePredictor
from mpnas_ray.predictors import GCNPredictor
from mpnas_ray.pretrained import load_checkpoint
from mpnas_ray.stats import spearman
from mpnas_ray.tables import BUNDLED_TABLE, TableTask, leaves_out, load_tasks

POINTS = (0, 5, 10, 25)
DRAWS = 10


def predictor_of(path: Path, sources: dict[str, TableTask]) -> MixturePredictor:
    command = "python benchmarks/mini_gain.py"
    wanted = PredictorToLearn.of(path, sources, MixtureConfig(), command)
    predictor, _ = load_checkpoint(learn_once(wanted, print))
    assert isinstance(predictor, MixturePredictor)
    return predictor


def correlations(task: TableTask, rankers: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for points in POINTS:
        found: dict[str, list[float]] = {}
        for draw in range(DRAWS if points else 1):
            order = np.random.default_rng(draw).permutation(len(task))
            support, query = order[:points], order[points:]
            for name, ranker in rankers.items():
                if name == "scratch" and points < 5:
                    continue
                if name == "scratch":
                    ranker = GCNPredictor(seed=draw)
                    ranker.fit(task.archs[support], task.scores[support])
                else:
                    ranker = ranker.measuring(task.kind).adapt(task.archs[support], task.scores[support])
                predicted = ranker.predict(task.archs[query])
                found.setdefault(name, []).append(float(spearman(predicted, task.scores[query])))
        rows += [{"task": task.name, "points": points, "ranker": name, "values": of} for name, of in found.items()]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, required=True, help="folder of NAS tables")
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder of predictors, made if missing")
    parser.add_argument("--own", type=Path, default=BUNDLED_TABLE, help="a table of mpnas tables build")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    own, official = load_tasks(given.own), load_tasks(given.tables)
    rows = []
    for family in dict.fromkeys(task.datasets for task in own.values()):
        members = [name for name, task in own.items() if task.datasets == family]
        label = "+".join(family)
        everything = leaves_out({**official, **own}, members)
        alone = {name: task for name, task in everything.items() if name in official}
        rankers = {
            "with our own": predictor_of(given.checkpoints / f"own.without.{label}", everything),
            "official alone": predictor_of(given.checkpoints / f"official.without.{label}", alone),
            "scratch": None,
        }
        for name in members:
            rows += correlations(own[name], rankers)
            for row in rows[-8:]:
                print(row["task"], row["points"], row["ranker"], f"{np.mean(row['values']):.2f}", flush=True)
    content = {**facts("torch", "numpy"), "rows": rows}
    write_results(given.out, "mini_gain", content, page(content))


def page(content: dict[str, Any]) -> list[str]:
    rows = {(row["task"], row["points"], row["ranker"]): row["values"] for row in content["rows"]}
    tasks = list(dict.fromkeys(task for task, _, _ in rows))
    rankers = ("with our own", "official alone", "scratch")
    lines = [
        "# What our own table adds",
        "",
        f"`{content['command']}`, {content['machine']}, {content['versions']}.",
        "",
        "Spearman correlation between predicted and measured scores of cells of the mixed space, on tasks whose family",
        f"was held out in every table; means ± standard errors over {DRAWS} draws of them. `with our own` and",
        "`official alone` are predictors meta-learned with and without the other families of our own table; `scratch`",
        "is a graph network that knows the measured cells alone.",
    ]
    for points in POINTS:
        lines += ["", f"## {points} measured cells", "", "| task | " + " | ".join(rankers) + " |"]
        lines.append("| --- |" + " ---: |" * len(rankers))
        for task in [*tasks, "mean"]:
            cells = []
            for ranker in rankers:
                every = [rows.get((name, points, ranker)) for name in (tasks if task == "mean" else [task])]
                known = [values for values in every if values]
                if not known:
                    cells.append("-")
                    continue
                values = np.mean(known, axis=0)
                error = f" ± {np.std(values, ddof=1) / np.sqrt(len(values)):.2f}" if len(values) > 1 else ""
                cells.append(f"{np.mean(values):.2f}{error}")
            lines.append(f"| {task} | " + " | ".join(cells) + " |")
    return lines


if __name__ == "__main__":
    main()
