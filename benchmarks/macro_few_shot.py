"""Judge predictions from few points in the spaces that vary width and depth: results/macro_few_shot.{json,md}.

    python benchmarks/macro_few_shot.py --tables DIR --work DIR

Ten tasks: three of natsbench-size and seven of transnasbench101-macro. A mixture is meta-learned for each fold, which
holds out one task of each space; nothing is learned of their data sets, in either space. It is set against floors that
need no meta-learning: a Gaussian process on logarithms of widths or simple counts, the number of parameters alone, and
the mean rank in the other tasks of the space. All see the same points, and are judged on the same others.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, WhiteKernel
from timing import RESULTS, facts, write_results

from cluster.experiments.protocol.folds import NATSBENCH_SIZE, TRANSNASBENCH101_MACRO
from cluster.experiments.protocol.free_rankings import MeanRank, same_space
from cluster.pages.markdown import markdown_table
from mpnas_ray.catalogue import load_predictor, make_predictor
from mpnas_ray.files.atomic import write_atomic
from mpnas_ray.meta_learning.mixture import MixtureConfig, MixturePredictor, meta_train_mixture
from mpnas_ray.spaces import Architectures
from mpnas_ray.spaces.natsbench_size import WIDTHS
from mpnas_ray.spaces.transnasbench101_macro import module_changes
from mpnas_ray.stats import bootstrap_interval, spearman
from mpnas_ray.tables import TableTask, leaves_out, load_tasks
from trainables.networks.limits import NetworkSizes

Floats = NDArray[np.float64]
Predict = Callable[[NDArray[np.intp], NDArray[np.intp]], Floats]
"""Function from the rows of the points and of the architectures to rank to predictions of the latter."""

TASKS = (*NATSBENCH_SIZE, *TRANSNASBENCH101_MACRO)
SIZES = (0, 5, 10, 25)
NUM_TESTED = 1_000
CONFIG = MixtureConfig(iterations=300, archs_per_task=4_000)
FLOORS = ("gp on widths and counts", "parameters", "mean rank")
METHODS = ("mixture", "bundled", "gp-graf", *FLOORS)
WITHOUT_POINTS = {"mixture", "bundled", "parameters", "mean rank"}


def simple_features(archs: Architectures) -> Floats:
    """Logarithms of the widths of the size space; of the macro space counts, and where in the network changes are."""
    if archs.space.name == "natsbench-size":
        return np.asarray(np.log2(np.array(WIDTHS))[archs.codes])
    there = archs.codes >= 0
    columns = [there.sum(axis=1)]
    for changes in module_changes(archs.codes):
        number = changes.sum(axis=1)
        columns += [number, (changes * np.arange(6)).sum(axis=1) / number]
    return np.stack(columns, axis=1).astype(np.float64)


def gp_on_features(features: Floats, scores: Floats, points: NDArray[np.intp], asked: NDArray[np.intp]) -> Floats:
    kernel = ConstantKernel() * RBF(length_scale=2.0) + ConstantKernel() * DotProduct() + WhiteKernel(0.05)
    process = GaussianProcessRegressor(kernel, normalize_y=True, n_restarts_optimizer=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        process.fit(features[points], scores[points])
    return np.asarray(process.predict(features[asked]), dtype=np.float64)


def adapted(predictor: MixturePredictor, task: TableTask, points: NDArray[np.intp], asked: NDArray[np.intp]) -> Floats:
    if len(points):
        predictor = predictor.adapt(task.archs[points], task.scores[points])
    return predictor.predict(task.archs[asked])


def from_scratch(task: TableTask, points: NDArray[np.intp], asked: NDArray[np.intp]) -> Floats:
    predictor = make_predictor("gp-graf", 0)
    predictor.fit(task.archs[points], task.scores[points])
    return np.asarray(predictor.predict(task.archs[asked]), dtype=np.float64)


def ways(task: TableTask, tasks: Mapping[str, TableTask], learned: MixturePredictor) -> dict[str, Predict]:
    """All methods on one task."""
    raw = simple_features(task.archs)
    features = (raw - raw.mean(axis=0)) / raw.std(axis=0)
    sizes = NetworkSizes((3, 32, 32), 10).parameters(task.archs).astype(np.float64)
    others = same_space(task, [other for name, other in tasks.items() if name != task.name])
    ranks = MeanRank(other for other in others if set(task.datasets).isdisjoint(other.datasets)).predict(task.archs)
    bundled = load_predictor("default")
    assert isinstance(bundled, MixturePredictor)
    return {
        "mixture": partial(adapted, learned.measuring("quality"), task),
        "bundled": partial(adapted, bundled.measuring("quality"), task),
        "gp-graf": partial(from_scratch, task),
        "gp on widths and counts": partial(gp_on_features, features, task.scores),
        "parameters": lambda points, asked: sizes[asked],
        "mean rank": lambda points, asked: ranks[asked],
    }


def folds() -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Tasks that are held out together, and those of them that are judged: each once."""
    for number, macro in enumerate(TRANSNASBENCH101_MACRO):
        size = NATSBENCH_SIZE[number % len(NATSBENCH_SIZE)]
        yield (size, macro), ((size, macro) if number < len(NATSBENCH_SIZE) else (macro,))


def judged(task: TableTask, methods: Mapping[str, Predict], seeds: int) -> Iterator[dict[str, Any]]:
    for method, predict in methods.items():
        for size in SIZES:
            if size == 0 and method not in WITHOUT_POINTS:
                continue
            values = []
            for seed in range(seeds):
                rows = np.random.default_rng([seed, len(task)]).permutation(len(task))
                points, asked = rows[:size], rows[max(SIZES) : max(SIZES) + NUM_TESTED]
                values.append(float(spearman(predict(points, asked), task.scores[asked])))
            yield {"task": task.name, "method": method, "points": size, "values": values}


def summary(values: Floats) -> str:
    """The mean, and behind it its 95 % bootstrap interval."""
    found = bootstrap_interval(values, statistic=np.mean, rng=np.random.default_rng(0))
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, required=True, help="folder of NAS tables")
    parser.add_argument("--seeds", type=int, default=10, help="draws of points and of what is judged")
    parser.add_argument("--meta-seed", type=int, default=0, help="seed of the meta-training")
    parser.add_argument("--work", type=Path, required=True, help="folder of finished folds, which are not done again")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.work.mkdir(parents=True, exist_ok=True)
    tasks = load_tasks(given.tables, TASKS)
    rows: list[dict[str, Any]] = []
    for held_out, targets in folds():
        done = given.work / f"{held_out[1].partition('/')[2]}.{given.meta_seed}.{given.seeds}.json"
        if not done.exists():
            start = time.process_time()
            sources = {name: task for name, task in leaves_out(tasks, held_out).items() if name not in held_out}
            config = MixtureConfig(**{**vars(CONFIG), "seed": given.meta_seed})
            learned = meta_train_mixture(sources, config).predictor
            found = [
                row for name in targets for row in judged(tasks[name], ways(tasks[name], tasks, learned), given.seeds)
            ]
            write_atomic(done, json.dumps(found))
            print(*targets, f"{time.process_time() - start:.0f} CPU s", flush=True)
        rows += json.loads(done.read_text())
    content = {
        **facts("numpy", "scipy", "scikit-learn", "torch"),
        "seeds": given.seeds,
        "meta_seed": given.meta_seed,
        "config": CONFIG.to_dict(),
        "rows": rows,
    }
    write_results(given.out, "macro_few_shot", content, page(content))


def page(content: dict[str, Any]) -> list[str]:
    values = {(row["task"], row["method"], row["points"]): np.array(row["values"]) for row in content["rows"]}
    lines = [
        "# Few points in spaces that vary width and depth",
        "",
        f"`{content['command']}`, {content['machine']}, {content['versions']}.",
        "",
        "Spearman's correlation with the table, of 1,000 architectures that were not measured; the mean over",
        f"{content['seeds']} draws of the points, with its 95 % bootstrap interval in brackets. `mixture` is",
        "meta-learned from the other tasks of both spaces, without the target's data set in either; `gp-graf` is a",
        "Gaussian process on graph features from scratch. `bundled` is the predictor that is installed: it has learned",
        "from cells alone, on images that some of these tasks use, too, so that its figures are not of unseen data.",
        "",
        "Floors are a Gaussian process on the logarithms of widths (natsbench-size) or on the numbers and mean places",
        "of doublings and halvings (macro); the number of parameters; and the mean rank in the other tasks of the",
        "space whose data sets are others. The last two need no points.",
    ]
    for points in SIZES:
        methods = [method for method in METHODS if points or method in WITHOUT_POINTS]
        table = []
        for task in TASKS:
            means = {method: float(values[task, method, points].mean()) for method in methods}
            best = max(means.values())
            table.append([task, *(f"**{mean:.2f}**" if mean == best else f"{mean:.2f}" for mean in means.values())])
        averages = [np.mean([values[task, method, points].mean() for task in TASKS]) for method in methods]
        table.append(["mean", *(f"{average:.3f}" for average in averages)])
        lines += ["", f"## {points} points", "", markdown_table(["task", *methods], table)]
    lines += ["", "## The mixture against the best floor, 5 points", ""]
    table, beaten, clearly = [], 0, 0
    for task in TASKS:
        floor = max(FLOORS, key=lambda method: float(values[task, method, 5].mean()))
        gain = values[task, "mixture", 5] - values[task, floor, 5]
        found = bootstrap_interval(gain, statistic=np.mean, rng=np.random.default_rng(0))
        beaten += found.value > 0
        clearly += found.low > 0
        table.append([task, floor, summary(values[task, "mixture", 5]), summary(values[task, floor, 5]), summary(gain)])
    lines += [
        markdown_table(["task", "best floor", "mixture", "that floor", "difference, paired by draws"], table),
        "",
        f"The mixture is above the best floor of the task, which is known only afterwards, in {beaten} of {len(TASKS)}",
        f"tasks, and in {clearly} of them with its whole interval. Intervals are over draws of points, with one",
        "meta-training a fold.",
    ]
    return lines


if __name__ == "__main__":
    main()
