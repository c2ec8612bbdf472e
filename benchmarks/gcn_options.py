"""Choose the options of the from-scratch GCN: rank correlation on NAS-Bench-201 from 100 random architectures.

    python benchmarks/gcn_options.py --tables DIR [--seeds 5]

Writes benchmarks/results/gcn_options.{json,md}. The target is CIFAR-10 test accuracy; each seed draws other
architectures. Resumable: rows that the JSON already holds are not computed again.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, replace
from importlib.metadata import version
from itertools import product
from pathlib import Path

import numpy as np
import torch

from mpnas_ray.files.atomic import write_atomic
from mpnas_ray.predictors import GCNConfig, GCNPredictor
from mpnas_ray.stats import spearman as rank_correlation
from mpnas_ray.tables import load_tasks

RESULTS = Path(__file__).parent / "results"
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
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    task = load_tasks(arguments.tables, names=["nasbench201/cifar10"])["nasbench201/cifar10"]
    path = RESULTS / "gcn_options.json"
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    for changes in [*OPTIONS, *TRAINING]:
        config = replace(GCNConfig(), **changes)
        if any(row["config"] == asdict(config) and len(row["spearman"]) == arguments.seeds for row in rows):
            continue
        spearman, seconds = [], 0.0
        for seed in range(arguments.seeds):
            order = np.random.default_rng(seed).permutation(len(task))
            predictor = GCNPredictor(config, seed=seed)
            start = time.perf_counter()
            predictor.fit(task.archs[order[:100]], task.scores[order[:100]])
            seconds += time.perf_counter() - start
            spearman.append(rank_correlation(predictor.predict(task.archs[order[100:]]), task.scores[order[100:]]))
        rows.append(
            {
                "changes": changes,
                "config": asdict(config),
                "spearman": spearman,
                "fit_seconds": seconds / arguments.seeds,
            }
        )
        print(changes, f"{np.mean(spearman):.3f}", flush=True)
        write(path, rows, arguments.seeds)


def write(path: Path, rows: list, seeds: int) -> None:  # type: ignore[type-arg]
    content = {
        "command": f"python benchmarks/gcn_options.py --tables DIR --seeds {seeds}",
        "versions": {name: version(name) for name in ("torch", "numpy")},
        "seeds": list(range(seeds)),
        "rows": rows,
    }
    write_atomic(path, json.dumps(content, indent=2) + "\n")
    lines = [
        "# Options of the graph predictor, trained from scratch",
        "",
        f"`{content['command']}`, one thread. Spearman correlation with CIFAR-10 accuracy over the 15,525 other",
        f"cells of NAS-Bench-201 after training on 100 random ones: mean and standard error over {seeds} draws.",
        "",
        "| change against the default | Spearman | fit, s |",
        "| --- | ---: | ---: |",
    ]
    for row in sorted(rows, key=lambda row: -np.mean(row["spearman"])):
        different = {k: v for k, v in row["changes"].items() if getattr(GCNConfig(), k) != v}
        error = np.std(row["spearman"], ddof=1) / np.sqrt(len(row["spearman"]))
        what = ", ".join(f"{k} = {v}" for k, v in different.items()) or "**default**"
        lines.append(f"| {what} | {np.mean(row['spearman']):.3f} ± {error:.3f} | {row['fit_seconds']:.1f} |")
    path.with_suffix(".md").write_text("\n".join([*lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
