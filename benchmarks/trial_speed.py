"""Time a trial's training against a bare loop of PyTorch: benchmarks/results/trial_speed.{json,md}.

    python benchmarks/trial_speed.py

The same network, data, batches, optimiser and schedule, in one process with one thread, in turns: once as
`trainables.training.loop.Training` has it, which is what every trial runs, once as one would write it down in a
notebook. Neither is asked for a validation score.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from timing import RESULTS, facts, write_results

from trainables import build_network, get_task
from trainables.training.data import PreparedData
from trainables.training.loop import Training

CASES = (
    ("digits", "small"),
    ("darcy", "small"),
    ("watch", "small"),
    ("digits", "paper"),
)
ARCH = "nasbench201:|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_3x3~1|avg_pool_3x3~2|"
TARGET = 0.95
"""Fraction of the bare loop's samples a second to reach; chosen by us."""


class BareLoop:
    """A notebook's loop: AdamW, one cycle, shuffled batches of data that are in memory."""

    def __init__(self, data: PreparedData, preset: str, task_name: str) -> None:
        task = get_task(task_name)
        torch.manual_seed(0)
        self.network = build_network(ARCH, data.encoded_shape, task.num_outputs, task.dense, preset)
        train = data.parts["train"]
        if train.inputs.ndim == 4:
            self.network = self.network.to(memory_format=torch.channels_last)
        self.inputs, self.targets, self.decoder, self.loss = train.inputs, train.targets, data.decoder, task.loss
        self.batch, recipe = task.recipe.batch_size, task.recipe
        self.optimizer = torch.optim.AdamW(self.network.parameters(), weight_decay=recipe.weight_decay, fused=True)
        total = 1_000 * (len(train) // self.batch + 1)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, recipe.learning_rate, total_steps=total)

    def run_epoch(self) -> float:
        """Samples a second."""
        start = time.perf_counter()
        self.network.train()
        for rows in torch.randperm(len(self.inputs)).split(self.batch):
            self.optimizer.zero_grad()
            loss = self.loss(self.decoder(self.network(self.inputs[rows])), self.targets[rows])
            loss.backward()
            self.optimizer.step()
            self.schedule.step()
        return len(self.inputs) / (time.perf_counter() - start)


def measure(task_name: str, preset: str, repeats: int) -> dict[str, Any]:
    task = get_task(task_name)
    data = PreparedData(task, None, torch.device("cpu"))
    ours, bare = Training(ARCH, task, data, preset=preset), BareLoop(data, preset, task_name)
    speeds: dict[str, list[float]] = {"ours": [], "bare": []}
    for number in range(repeats + 1):
        ours.epoch = 0  # never finished
        for name in ("ours", "bare") if number % 2 else ("bare", "ours"):
            speed = bare.run_epoch() if name == "bare" else ours.run_epoch()["samples_per_second"]
            if number:  # the first warms up
                speeds[name].append(speed)
        if ours._schedule.last_epoch > (task.recipe.epochs - 2) * ours._steps:
            ours = Training(ARCH, task, data, preset=preset)
    ratios = [mine / theirs for mine, theirs in zip(speeds["ours"], speeds["bare"], strict=True)]
    return {"task": task_name, "preset": preset, "ratio": median(ratios), "ratios": ratios, **speeds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15, help="epochs of each, in turns")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for case in CASES:
        rows.append(measure(*case, given.repeats))
        print(rows[-1]["task"], rows[-1]["preset"], f"{rows[-1]['ratio']:.3f}", flush=True)
    content = {**facts("torch", "numpy"), "target": TARGET, "arch": ARCH, "cases": rows}
    write_results(given.out, "trial_speed", content, page(content))


def page(content: dict[str, Any]) -> list[str]:
    lines = [
        "# A trial's training against a bare loop of PyTorch",
        "",
        f"`{content['command']}`, {content['machine']}, {content['versions']}.",
        "",
        "Samples a second in training, one thread, medians of epochs in turns; the ratio is the median over pairs.",
        "",
        "| task | preset | ours | bare loop | ratio |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row['task']} | {row['preset']} | {median(row['ours']):,.0f} | {median(row['bare']):,.0f} "
        f"| {row['ratio']:.3f} |"
        for row in content["cases"]
    ]
    lowest = min(row["ratio"] for row in content["cases"])
    return [
        *lines,
        "",
        f"At least {content['target']} was aimed at: {'met' if lowest >= content['target'] else 'missed'}.",
    ]


if __name__ == "__main__":
    main()
