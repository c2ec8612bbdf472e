"""Measure the cost of graph features and a Gaussian process on them: benchmarks/results/graph_features.{json,md}.

    python benchmarks/graph_features.py --tables DIR

Times are of CPU, of 10,000 architectures, and beside those of their canonical keys, from which a search knows
isomorphic cells. Accuracy is judged as in the predictor study, on its draws of the seeds from 10 on: the features, the
kernel and the groups of operations of the mixed space were chosen on the seeds below 10.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timing import RESULTS, facts, write_results

from cluster.experiments.studies.predictors.targets import Draw
from mpnas_ray.catalogue import make_predictor
from mpnas_ray.graphs import features, graph_features
from mpnas_ray.predictors.gp import kernels
from mpnas_ray.spaces import OPERATIONS, SPACE_NAMES, get_space
from mpnas_ray.stats import bootstrap_interval, kendall, spearman
from mpnas_ray.tables import BUNDLED_TABLE, TableTask, load_tasks

FAMILIES = ("gp-graf", "gp-wl", "gp")
NASBENCH101, NASBENCH201 = "nasbench101/cifar10", "nasbench201/cifar10"
WISHED = {NASBENCH101: {25: 0.58, 50: 0.65, 100: 0.69, 250: 0.73}}
"""Kendall's tau that we set out to reach, measured on a throw-away program."""

FIRST_SEED = 10
COMPUTING = tuple(operation.name for operation in OPERATIONS if operation.group)
GROUPINGS = {
    "the four groups": features._GROUPS,
    "each kind by itself": {kind: (kind,) for kind in COMPUTING},
    "kernel sizes 5 and 7 apart": {
        **{name: kinds for name, kinds in features._GROUPS.items() if name != "larger convolutions"},
        "conv5": ("conv5-d1", "conv5-d2"),
        "conv7": ("conv7-d1", "conv7-d2"),
    },
    "convolutions and pooling": {"convolutions": COMPUTING[:7], "pooling": COMPUTING[7:]},
}


def cpu_seconds(function: Callable[[], object], repeats: int) -> float:
    function()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return statistics.median(times)


def costs() -> dict[str, dict[str, float]]:
    found = {}
    for name in SPACE_NAMES:
        archs = get_space(name).sample_many(10_000, np.random.default_rng(0))
        of_features = cpu_seconds(lambda archs=archs: graph_features(archs), 9)  # type: ignore[misc]
        of_keys = cpu_seconds(lambda archs=archs: archs.graphs().canonical_keys(), 9)  # type: ignore[misc]
        found[name] = {
            "features": len(features.feature_names(name)),
            "sets": len(features._layout(name).sets),
            "cpu_ms": 1e3 * of_features,
            "over_canonical_keys": of_features / of_keys,
        }
    return found


@contextmanager
def grouped(groups: dict[str, tuple[str, ...]]) -> Iterator[None]:
    """While this is open, the sets of the mixed space consist of other groups."""
    before = features._GROUPS
    caches = (features._layout, kernels._feature_scale)
    features._GROUPS = groups
    try:
        for cached in caches:
            cached.cache_clear()
        yield
    finally:
        features._GROUPS = before
        for cached in caches:
            cached.cache_clear()


def judged(task: TableTask, family: str, sizes: tuple[int, ...], seeds: int) -> Iterator[dict[str, Any]]:
    draws = [Draw.of(task, seed) for seed in range(FIRST_SEED, FIRST_SEED + seeds)]
    for size in sizes:
        taus, rhos, seconds = [], [], []
        for draw in draws:
            rows = draw.training(size)
            predictor = make_predictor(family, draw.seed)
            start = time.process_time()
            predictor.fit(task.archs[rows], task.scores[rows])
            predicted = predictor.predict(task.archs[draw.test])
            seconds.append(time.process_time() - start)
            taus.append(kendall(predicted, task.scores[draw.test]))
            rhos.append(float(spearman(predicted, task.scores[draw.test])))
        yield {
            "task": task.name,
            "family": family,
            "points": size,
            "kendall": summary(taus),
            "spearman": summary(rhos),
            "cpu_seconds": statistics.median(seconds),
        }


def summary(values: list[float]) -> dict[str, Any]:
    found = bootstrap_interval(np.array(values), statistic=np.mean, rng=np.random.default_rng(0))
    return {"mean": found.value, "low": found.low, "high": found.high, "values": values}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, required=True, help="folder of NAS tables")
    parser.add_argument("--seeds", type=int, default=20, help="of NAS-Bench-101 and of NAS-Bench-201's CIFAR-10")
    parser.add_argument("--other-seeds", type=int, default=10, help="of all other tasks")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    content: dict[str, Any] = {
        **facts("numpy", "scipy", "torch"),
        "seeds": [FIRST_SEED, FIRST_SEED + given.seeds - 1],
        "other_seeds": [FIRST_SEED, FIRST_SEED + given.other_seeds - 1],
        "costs": costs(),
        "rows": [],
        "groupings": [],
    }
    official, own = load_tasks(given.tables), load_tasks(BUNDLED_TABLE)
    for name, task in {**official, **own}.items():
        main_task = name in (NASBENCH101, NASBENCH201)
        sizes = (5, 10, 25, 50, 100, 250) if main_task else (5, 25, 100)
        for family in FAMILIES:
            for row in judged(task, family, sizes, given.seeds if main_task else given.other_seeds):
                content["rows"].append(row)
                print(name, family, row["points"], f"{row['kendall']['mean']:.3f}", flush=True)
    for (grouping, groups), task in product(GROUPINGS.items(), own.values()):
        with grouped(groups):
            sets = len(features._layout("mixed").sets)
            for row in judged(task, "gp-graf", (10, 25, 50, 100), given.other_seeds):
                content["groupings"].append({"grouping": grouping, "sets": sets, **row})
    write_results(given.out, "graph_features", content, page(content))


def shown(found: dict[str, Any]) -> str:
    return f"{found['mean']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


def page(content: dict[str, Any]) -> list[str]:
    rows = {(row["task"], row["family"], row["points"]): row for row in content["rows"]}
    first, last = content["seeds"]
    lines = [
        "# Graph features",
        "",
        f"`{content['command']}`, {content['machine']}, {content['versions']}.",
        "",
        "## What they cost",
        "",
        "CPU milliseconds for 10,000 architectures, on one core, and the same as a multiple of their canonical keys:",
        "",
        "| space | features | sets of operations | ms | over canonical keys |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(
            f"| {name} | {c['features']} | {c['sets']} | {c['cpu_ms']:.0f} | {c['over_canonical_keys']:.2f} |"
            for name, c in content["costs"].items()
        ),
        "",
        "## What a Gaussian process makes of them",
        "",
        "From scratch, on uniformly drawn architectures, judged on 500 others (100 of our own table), by the draws of",
        f"[the predictor study](predictors.md) of the seeds {first} to {last}; the features and the kernel were chosen",
        "on its seeds 0 to 9. In brackets the 95 % bootstrap interval of the mean over seeds. `gp-graf` has the kernel",
        "of graph features, `gp-wl` that of Weisfeiler-Lehman labels, `gp` a length scale for each choice.",
    ]
    for task, measure, called in (
        (NASBENCH101, "kendall", "Kendall's tau"),
        (NASBENCH201, "spearman", "Spearman's correlation"),
    ):
        lines += [
            "",
            f"### {task}, {called}",
            "",
            "| points | " + " | ".join(FAMILIES) + " | aim | CPU s of `gp-graf` |",
        ]
        lines.append("| ---: |" + " ---: |" * (len(FAMILIES) + 2))
        for points in (5, 10, 25, 50, 100, 250):
            cells = [shown(rows[task, family, points][measure]) for family in FAMILIES]
            aim = WISHED.get(task, {}).get(points)
            seconds = rows[task, "gp-graf", points]["cpu_seconds"]
            lines.append(f"| {points} | {' | '.join(cells)} | {'' if aim is None else f'{aim:.2f}'} | {seconds:.2f} |")
    first, last = content["other_seeds"]
    lines += [
        "",
        f"### All tasks, Spearman's correlation, seeds {first} to {last} ({NASBENCH101} and {NASBENCH201}: all)",
    ]
    for points in (5, 25, 100):
        lines += ["", f"{points} points:", "", "| task | " + " | ".join(FAMILIES) + " |"]
        lines.append("| --- |" + " ---: |" * len(FAMILIES))
        tasks = list(dict.fromkeys(task for task, _, _ in rows))
        for task in tasks:
            means = {family: rows[task, family, points]["spearman"]["mean"] for family in FAMILIES}
            cells = [f"**{mean:.2f}**" if mean == max(means.values()) else f"{mean:.2f}" for mean in means.values()]
            lines.append(f"| {task} | {' | '.join(cells)} |")
    lines += [
        "",
        "## Which sets of operations, in the mixed space",
        "",
        f"Kendall's tau of `gp-graf` on our own table, mean over its tasks and the seeds {first} to {last}:",
        "",
        "| groups | sets | 10 points | 25 points | 50 points | 100 points |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for grouping in GROUPINGS:
        of_it = [row for row in content["groupings"] if row["grouping"] == grouping]
        means = [np.mean([row["kendall"]["mean"] for row in of_it if row["points"] == n]) for n in (10, 25, 50, 100)]
        lines.append(f"| {grouping} | {of_it[0]['sets']} | {' | '.join(f'{mean:.3f}' for mean in means)} |")
    return lines


if __name__ == "__main__":
    main()
