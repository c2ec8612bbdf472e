"""Choose the options of the from-scratch GCN: rank correlation on NAS-Bench-201 from 100 random architectures.

    python benchmarks/gcn_options.py --tables DIR [--seeds 5]

Writes benchmarks/results/gcn_options.{json,md}. The target is CIFAR-10 test accuracy; each seed draws other
architectures. Interrupted, the same command goes on: each row is kept in --work.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timing import RESULTS, facts, write_results

from cluster.experiments.protocol.fingerprints import fingerprint
from cluster.work.items import Store, WorkItem
from cluster.work.running import compute_once
from mpnas_ray.predictors import GCNConfig, GCNPredictor
from mpnas_ray.stats import spearman as rank_correlation
from mpnas_ray.tables import TableTask, load_tasks

OPTIONS = [
    {"flow": flow, "normalization": normalization, "layer_norm": layer_norm}
    for flow, normalization, layer_norm in product(
        ("forward", "reverse", "both"), ("none", "row", "sym"), (True, False)
    )
]
TRAINING = [{"dropout": 0.0}, {"width": 64}, {"width": 256}, {"epochs": 75}, {"epochs": 300}, {"learning_rate": 1e-3}]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", required=True, help="folder of the NAS tables")
    parser.add_argument("--seeds", type=int, default=5, help="draws of 100 architectures")
    parser.add_argument("--work", type=Path, default=Path("runs/gcn-options"), help="folder of the single rows")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    task = load_tasks(arguments.tables, names=["nasbench201/cifar10"])["nasbench201/cifar10"]
    store, rows = Store(arguments.work.resolve()), []
    for number, changes in enumerate([*OPTIONS, *TRAINING]):
        identity = {
            "config": asdict(replace(GCNConfig(), **changes)),
            "seeds": arguments.seeds,
            "table": fingerprint(task),
        }
        item = WorkItem(f"{number:02}", identity, partial(row_of, task, changes, arguments.seeds))
        rows.append(compute_once(item, store))
        print(changes, f"{np.mean(rows[-1]['spearman']):.3f}", flush=True)
    content = {**facts("torch", "numpy"), "seeds": list(range(arguments.seeds)), "rows": rows}
    write_results(RESULTS, "gcn_options", content, page(content, arguments.seeds))


def row_of(task: TableTask, changes: dict[str, Any], seeds: int) -> dict[str, Any]:
    """Train the changed predictor on the draw of each seed, and rank all other architectures."""
    config, spearman, seconds = replace(GCNConfig(), **changes), [], 0.0
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(len(task))
        predictor = GCNPredictor(config, seed=seed)
        start = time.perf_counter()
        predictor.fit(task.archs[order[:100]], task.scores[order[:100]])
        seconds += time.perf_counter() - start
        predicted = predictor.predict(task.archs[order[100:]])
        spearman.append(float(rank_correlation(predicted, task.scores[order[100:]])))
    return {"changes": changes, "config": asdict(config), "spearman": spearman, "fit_seconds": seconds / seeds}


def page(content: dict[str, Any], seeds: int) -> list[str]:
    lines = [
        "# Options of the graph predictor, trained from scratch",
        "",
        f"`{content['command']}`, one thread. Spearman correlation with CIFAR-10 accuracy over the 15,525 other",
        f"cells of NAS-Bench-201 after training on 100 random ones: mean and standard error over {seeds} draws.",
        "",
        "| change against the default | Spearman | fit, s |",
        "| --- | ---: | ---: |",
    ]
    for row in sorted(content["rows"], key=lambda row: -np.mean(row["spearman"])):
        different = {k: v for k, v in row["changes"].items() if getattr(GCNConfig(), k) != v}
        error = np.std(row["spearman"], ddof=1) / np.sqrt(len(row["spearman"]))
        what = ", ".join(f"{k} = {v}" for k, v in different.items()) or "**default**"
        lines.append(f"| {what} | {np.mean(row['spearman']):.3f} ± {error:.3f} | {row['fit_seconds']:.1f} |")
    return lines


if __name__ == "__main__":
    main()
