"""Measure what transfer costs if it misleads: benchmarks/results/negative_transfer.{json,md}.

    python benchmarks/negative_transfer.py --tables DIR --checkpoints DIR

`MPNASSearch` with a predictor that was meta-learned from the other data sets of NAS-Bench-201 searches CIFAR-100 as it
is, with all scores' signs flipped, and with scores shuffled (another permutation each seed), against the same searcher
with a predictor that learns from scratch. The first is the same each time, given predictor and table, but for which
candidates are on its shortlist; so it also runs from a random first architecture, as the searcher from scratch begins.

In `mixed` it is the sources that are spoilt: CIFAR-100 is as it is, and the predictor was meta-learned from sources of
which every second one has its scores shuffled (one permutation each, the same for all seeds).

Runs are kept in a folder; those that are there are not done again.
"""

from __future__ import annotations

import argparse
import time
import zlib
from collections import Counter
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timing import RESULTS, facts, write_results

from cluster.artifacts.learned_predictors import PredictorToLearn, learn_once
from cluster.experiments.comparison.methods import METHODS as COMPARED
from cluster.experiments.comparison.methods import sources_of
from cluster.experiments.comparison.predictors import COMPARED as SETTINGS
from cluster.experiments.comparison.predictors import predictor_name, predictor_to_learn
from cluster.experiments.comparison.presets import sources_of_space
from cluster.experiments.comparison.report.formatting import value
from cluster.experiments.comparison.summary.measures import Scale
from cluster.experiments.protocol.fingerprints import fingerprint
from cluster.experiments.replay.table import replay
from cluster.work.items import Store, WorkItem
from cluster.work.running import compute_once
from mpnas_ray.meta_learning.mixture import MixturePredictor
from mpnas_ray.predictors import Predictor
from mpnas_ray.pretrained import load_checkpoint, refuse_if_seen
from mpnas_ray.stats import Interval, bootstrap_interval
from mpnas_ray.tables import TableTask, load_tasks
from searchers import MPNASSearch

TASK = "nasbench201/cifar100"
TARGETS = ("flipped", "shuffled", "mixed", "as it is")
CONTESTANTS = ("mpnas", "mpnas, random first", "scratch")
BUDGET = 50
MOST = 1.1
"""Times the mean regret of the searcher from scratch that transfer may cost."""


def known_tasks(tables: Path) -> dict[str, TableTask]:
    return load_tasks(tables, sources_of_space(TASK.partition("/")[0]))


def leave_one_out(target: TableTask, tasks: dict[str, TableTask], tables: Path, folder: Path) -> MixturePredictor:
    """Return the predictor of a comparison for a target, which is made if it is missing."""
    sources = sources_of(COMPARED["mpnas"], target, tasks)
    predictor, card = load_checkpoint(learn_once(predictor_to_learn(folder, sources, SETTINGS, tables)))
    refuse_if_seen(card, target)
    assert isinstance(predictor, MixturePredictor)
    return predictor


def target_of(name: str, task: TableTask, seed: int) -> TableTask:
    if name == "flipped":
        return replace(task, raw=-task.raw)
    return (
        task if name in ("mixed", "as it is") else replace(task, raw=np.random.default_rng(seed).permutation(task.raw))
    )


def half_shuffled(sources: dict[str, TableTask]) -> dict[str, TableTask]:
    """Return the tasks, every second one with its scores shuffled."""
    return {
        name: replace(task, raw=np.random.default_rng(number).permutation(task.raw)) if number % 2 else task
        for number, (name, task) in enumerate(sources.items())
    }


def learned_from_half_shuffled(target: TableTask, tasks: dict[str, TableTask], folder: Path) -> MixturePredictor:
    """Made if it is missing."""
    sources = sources_of(COMPARED["mpnas"], target, tasks)
    path, command = folder / f"{predictor_name(sources, 0)}.half-shuffled", "benchmarks/negative_transfer.py"
    wanted = PredictorToLearn.of(path, half_shuffled(sources), SETTINGS, command)
    predictor, card = load_checkpoint(learn_once(wanted))
    refuse_if_seen(card, target)
    assert isinstance(predictor, MixturePredictor)
    return predictor


def run(contestant: str, target: TableTask, seed: int, predictor: Predictor) -> dict[str, Any]:
    start, space = time.process_time(), target.archs.space
    first = [str(space.sample_many(1, np.random.default_rng(seed))[0])] if contestant == "mpnas, random first" else None
    learned = None if contestant == "scratch" else predictor
    searcher = MPNASSearch(space, predictor=learned, seed=seed, points_to_evaluate=first, allow_isomorphic=True)
    found = replay(searcher, target, BUDGET)
    if searcher.num_failures:
        raise RuntimeError(f"{contestant} failed {searcher.num_failures} times on {target.name}, seed {seed}.")
    checks = [event for event in searcher.events if "transfer_verdict" in event]
    scale = Scale.of(target)
    return {
        "regret": float(scale.regret(found.best_so_far())[-1]),
        "queries": found.queries_to(scale.goals["top 0.1 %"]),
        "verdicts": [event["transfer_verdict"] for event in checks],
        "points": [event["points"] for event in checks],
        "path": zlib.crc32(" ".join(found.archs).encode()),
        "cpu_seconds": time.process_time() - start,
    }


def ratio(ours: dict[int, float], scratch: dict[int, float], rng: np.random.Generator) -> Interval:
    """Compute the interval of mean regrets by resampling seeds: a seed is one permutation for both."""
    seeds = sorted(ours.keys() & scratch.keys())
    one, other = (np.array([of_seed[seed] for seed in seeds]) for of_seed in (ours, scratch))

    def of_means(one: np.ndarray, other: np.ndarray, axis: int) -> np.ndarray:
        return one.mean(axis=axis) / other.mean(axis=axis)

    return bootstrap_interval(one, other, statistic=of_means, rng=rng)


def summary(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for target, contestant in product(TARGETS, CONTESTANTS):
        rng = np.random.default_rng(0)
        of_target = [one for one in runs if one["target"] == target]
        found = [one for one in of_target if one["contestant"] == contestant]
        if not found:
            continue
        regrets = {one["seed"]: one["regret"] for one in found}
        scratch = {one["seed"]: one["regret"] for one in of_target if one["contestant"] == "scratch"}
        row = {
            "target": target,
            "contestant": contestant,
            "seeds": len(found),
            "distinct": len({one["path"] for one in found}),
            "regret": vars(bootstrap_interval(np.array([*regrets.values()]), statistic=np.mean, rng=rng)),
            "verdicts": verdicts(found),
        }
        if contestant != "scratch" and regrets.keys() & scratch.keys():
            row["seeds_of_ratio"] = len(regrets.keys() & scratch.keys())
            row["ratio"] = vars(ratio(regrets, scratch, rng))
        rows.append(row)
    return rows


def verdicts(runs: list[dict[str, Any]]) -> dict[int, dict[str, int]]:
    """Results -> verdict -> how many runs."""
    found: dict[int, Counter[str]] = {}
    for one in runs:
        for points, verdict in zip(one["points"], one["verdicts"], strict=True):
            found.setdefault(points, Counter())[verdict] += 1
    return {points: dict(counter) for points, counter in sorted(found.items())}


def page(about: dict[str, Any], rows: list[dict[str, Any]]) -> list[str]:
    lines = [
        "# Negative transfer",
        "",
        f"`{about['command']}`, {about['machine']}, {about['versions']}.",
        "",
        "`MPNASSearch` on CIFAR-100 of NAS-Bench-201: as it is, with all scores' signs flipped, and shuffled (another",
        "permutation each seed); and `mixed`: as it is, after meta-learning from sources of which every second one was",
        "shuffled. `mpnas` has a predictor meta-learned from the other data sets and the latencies,",
        f"`scratch` learns from the results alone. Mean regret after {BUDGET} queries in percent of the way from the",
        "median cell to the best, 95 % bootstrap intervals, and its ratio to that of `scratch` (goal on the two spoilt",
        f"targets: at most {MOST}). Given predictor and table, `mpnas` is nearly the same each time: `distinct` says",
        "how many runs differ. `mpnas, random first` begins with a random architecture, as `scratch` does.",
        "",
        "| target | searcher | seeds | distinct | regret | ratio |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        times = value(Interval(**row["ratio"])) if "ratio" in row else ""
        lines.append(
            f"| {row['target']} | {row['contestant']} | {row['seeds']} | {row['distinct']} "
            f"| {value(Interval(**row['regret']))} | {times} |"
        )
    lines += [
        "",
        "What the check of transfer said, by the number of results it knew (runs that found it to help / undecided /",
        "to hurt):",
        "",
    ]
    judged = [row for row in rows if row["verdicts"]]
    points = sorted({number for row in judged for number in row["verdicts"]})
    lines += [
        f"| target | searcher | {' | '.join(map(str, points))} |",
        f"| --- | --- | {' | '.join('---:' for _ in points)} |",
        *(
            f"| {row['target']} | {row['contestant']} | "
            + " | ".join(
                " / ".join(
                    str(row["verdicts"].get(number, {}).get(said, 0)) for said in ("helps", "undecided", "hurts")
                )
                for number in points
            )
            + " |"
            for row in judged
        ),
    ]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, required=True, help="folder of NAS tables")
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder of predictors, made if missing")
    parser.add_argument("--work", type=Path, default=Path("runs/negative_transfer"), help="folder of finished runs")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--target", nargs="+", choices=TARGETS, default=TARGETS)
    parser.add_argument("--contestant", nargs="+", choices=CONTESTANTS, default=CONTESTANTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    tasks = known_tasks(options.tables)
    predictor = leave_one_out(tasks[TASK], tasks, options.tables, options.checkpoints)
    predictors: dict[str, Predictor] = dict.fromkeys(TARGETS, predictor)
    if "mixed" in options.target:
        predictors["mixed"] = learned_from_half_shuffled(tasks[TASK], tasks, options.checkpoints)
    store, runs = Store(options.work), []
    for seed, name, contestant in product(range(options.seeds), options.target, options.contestant):
        about = {"target": name, "contestant": contestant, "seed": seed}
        target = target_of(name, tasks[TASK], seed)
        item = WorkItem(
            f"{name}/{contestant.replace(', ', '-')}.{seed}".replace(" ", "-"),
            {**about, "budget": BUDGET, "table": fingerprint(target)},
            partial(run, contestant, target, seed, predictors[name]),
        )
        runs.append({**about, **compute_once(item, store)})
        print(runs[-1], flush=True)
    about, rows = facts("torch", "numpy", "scipy"), summary(runs)
    write_results(RESULTS, "negative_transfer", {**about, "summary": rows, "runs": runs}, page(about, rows))


if __name__ == "__main__":
    main()
