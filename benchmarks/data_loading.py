"""Time trainings that read batches from disk against data in memory: benchmarks/results/data_loading.{json,md}.

    python benchmarks/data_loading.py

The same network, data, seed and batches, in one process with one thread, in turns. The files are in the page cache, as
those of data are that also fit into memory. Both must come to the same losses, bit for bit.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from timing import RESULTS, facts, write_results

from trainables import DataOptions, Task, get_task
from trainables.training.data import PreparedData, encoded_bytes
from trainables.training.loop import Training

ARCH = "nasbench201:|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_3x3~1|avg_pool_3x3~2|"
TARGET = 0.9
"""Fraction of the samples a second with data in memory that is to be reached: issue 18."""


def pictures(folder: Path, num: int, size: int, **options: Any) -> Task:
    """Coloured noise in two classes, as an archive."""
    images = np.random.default_rng(0).random((num, 3, size, size), dtype=np.float32)
    np.savez(folder / f"pictures-{size}.npz", inputs=images, targets=np.arange(num) % 2)
    return get_task(f"npz:{folder / f'pictures-{size}.npz'}", DataOptions(**options))


CASES: dict[str, Callable[[Path], Task]] = {
    "digits": lambda folder: get_task("digits"),
    "darcy": lambda folder: get_task("darcy"),
    "watch": lambda folder: get_task("watch"),
    "images of 32 x 32": lambda folder: pictures(folder, 2_000, 32),
    "images of 32 x 32, flip, crop, mixup": lambda folder: pictures(folder, 2_000, 32, augment="flip,crop,mixup"),
    "images of 96 x 96": lambda folder: pictures(folder, 300, 96),
}


def measure(name: str, task: Task, repeats: int) -> dict[str, Any]:
    places = ("memory", "disk")
    data = {place: PreparedData(task, None, torch.device("cpu"), data_in=place) for place in places}
    trainings = {place: Training(ARCH, task, data[place], preset="small") for place in places}
    speeds: dict[str, list[float]] = {place: [] for place in places}
    for number in range(repeats + 1):
        losses = set()
        for place in places if number % 2 else reversed(places):
            result = trainings[place].run_epoch()
            losses.add(result["train_loss"])
            if number:  # the first warms up
                speeds[place].append(result["samples_per_second"])
        assert len(losses) == 1, "bit for bit the same"
    ratios = [disk / memory for disk, memory in zip(speeds["disk"], speeds["memory"], strict=True)]
    size = encoded_bytes(task, task.load_checked(None))
    return {"data": name, "bytes": size, "ratio": median(ratios), "ratios": ratios, **speeds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9, help="epochs of each, in turns")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, make in CASES.items():
            rows.append(measure(name, make(Path(folder)), given.repeats))
            print(name, f"{rows[-1]['ratio']:.3f}", flush=True)
    content = {**facts("torch", "numpy"), "target": TARGET, "arch": ARCH, "cases": rows}
    write_results(given.out, "data_loading", content, page(content))


def page(content: dict[str, Any]) -> list[str]:
    lines = [
        "# Batches from disk against data in memory",
        "",
        f"`{content['command']}`, {content['machine']}, {content['versions']}.",
        "",
        "Samples a second in training on a CPU, one thread, medians of epochs in turns; the ratio is the median over "
        "pairs. Losses were the same, bit for bit. The files were in the page cache; no GPU was at hand.",
        "",
        "| data | MB encoded | memory | disk | ratio |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row['data']} | {row['bytes'] / 1e6:.1f} | {median(row['memory']):,.0f} | {median(row['disk']):,.0f} "
        f"| {row['ratio']:.3f} |"
        for row in content["cases"]
    ]
    lowest = min(row["ratio"] for row in content["cases"])
    return [
        *lines,
        "",
        f"At least {content['target']} was asked for: {'met' if lowest >= content['target'] else 'missed'}.",
    ]


if __name__ == "__main__":
    main()
