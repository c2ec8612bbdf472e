"""Measure what early stopping saves and costs: benchmarks/results/early_stopping.{json,md,png}.

    python benchmarks/early_stopping.py

Random sequences of architectures of our own table, trained side by side under the schedulers of Ray Tune and under
`searchers.schedulers.lcranknet.LCRankNetScheduler`: the real objects, told the measured curves
(`cluster.experiments.replay.early_stopping`). The network is pre-trained with the task's family held out, and on one
half of the architectures; sequences are of the other half. Networks and finished replays are kept in a folder, and the
same command goes on from there.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, HyperBandScheduler, MedianStoppingRule
from scipy.stats import t as student
from timing import RESULTS, facts, write_results

from cluster.experiments.replay.early_stopping import replay_curves
from cluster.work.items import Store, WorkItem
from cluster.work.running import compute_once
from mpnas_ray.curves import PartialCurves, final_scores, pretrain, save_network
from mpnas_ray.files.atomic import atomic_path
from mpnas_ray.pretrained import find_checkpoint, load_checkpoint, refuse_if_seen
from mpnas_ray.tables import BUNDLED_TABLE, LearningCurves, leaves_out, read_curves
from searchers.schedulers.lcranknet import LCRankNetScheduler

EPOCHS = 27
TRIALS, CONCURRENT = 100, 4
DELTAS = (0.35, 0.4, 0.425, 0.45, 0.475, 0.5)
ASHA = "ASHA, first look at 1, third goes on"
DEFAULT = "LCRankNet, delta 0.45"

by_epoch = {"time_attr": "training_iteration"}
TUNE: dict[str, Callable[[], Any]] = {
    "no early stopping": FIFOScheduler,
    "ASHA, first look at 1, quarter goes on": partial(ASHAScheduler, max_t=EPOCHS),
    ASHA: partial(ASHAScheduler, max_t=EPOCHS, reduction_factor=3),
    "ASHA, first look at 3, third goes on": partial(ASHAScheduler, max_t=EPOCHS, grace_period=3, reduction_factor=3),
    "HyperBand": partial(HyperBandScheduler, max_t=EPOCHS),
    "median rule from 1": partial(MedianStoppingRule, grace_period=1, **by_epoch),
    "median rule from 9": partial(MedianStoppingRule, grace_period=9, **by_epoch),
}
OURS: dict[str, dict[str, Any]] = {
    **{f"LCRankNet, delta {delta:g}": {"delta": delta} for delta in DELTAS},
    "LCRankNet, delta 0.45, not refitted": {"refit_every": 10**9},
    "LCRankNet, delta 0.45, not pre-trained": {"network": None},
}
"""Arguments beside the network; the delta is the paper's where none is given."""

FEWER = {f"only the first {number}, in full": number for number in (8, 12, 15, 20, 30, 40)}
EVERY = (*TUNE, *FEWER, *OURS)


@dataclass(frozen=True)
class Setting:
    """A held-out task, and the half of the architectures that sequences are of."""

    every: dict[str, LearningCurves]
    task: str
    half: int

    @property
    def mine(self) -> NDArray[np.bool_]:
        return in_half(self.every[self.task], self.half)

    def network(self, work: Path, predictor: str) -> Path:
        """Pre-trained on other families and the other half; all seeds of a training."""
        path = work / f"without-{self.task}-half-{self.half}"
        if not path.with_name(f"{path.name}.json").exists():
            known, card = load_checkpoint(find_checkpoint(predictor))
            refuse_if_seen(card, self.every[self.task].table_task())
            tables = {name: curves.table_task() for name, curves in self.every.items()}
            sources = list(leaves_out(tables, self.task))
            tasks = []
            for name in sources:
                rows = ~in_half(self.every[name], self.half)
                tasks.append((PartialCurves.of(self.every[name])[rows], final_scores(self.every[name])[rows]))
            save_network(path, pretrain(tasks, predictor=known), sources, predictor=predictor)
            print(f"pre-trained {path.name} on {', '.join(sources)}", flush=True)
        return path

    def sequence(self, seed: int) -> NDArray[np.int64]:
        curves = self.every[self.task]
        rows = np.flatnonzero(self.mine & (curves.seeds == 0))
        return np.random.default_rng(seed).permutation(rows)[:TRIALS]


def in_half(curves: LearningCurves, half: int) -> NDArray[np.bool_]:
    """Split by the architecture's text, so that all tasks and seeds agree."""
    texts = np.array([str(arch) for arch in curves.archs])
    distinct = np.unique(texts)
    chosen = np.random.default_rng(0).permutation(distinct)[half::2]
    return np.isin(texts, chosen)


def units(every: dict[str, LearningCurves], seeds: int) -> Iterator[tuple[str, str, int]]:
    tasks = [name for name, curves in every.items() if curves.scores.shape[1] == EPOCHS]
    for seed in range(seeds):
        for task in tasks:
            for scheduler in EVERY:
                yield scheduler, task, seed


def replayed(every: dict[str, LearningCurves], scheduler: str, task: str, seed: int, given: Any) -> dict[str, Any]:
    setting = Setting(every, task, seed % 2)
    if scheduler in FEWER:
        final, first = final_scores(every[task])[setting.sequence(seed)], FEWER[scheduler]
        lost = float(final.max() - final[:first].max())
        row = {"scheduler": scheduler, "task": task, "seed": seed}
        return {**row, "spent": first / TRIALS, "regret": lost, "complete": first}
    np.random.seed(seed)  # noqa: NPY002  ASHA draws its brackets from it
    if scheduler in TUNE:
        made = TUNE[scheduler]()
    else:
        made = LCRankNetScheduler(
            EPOCHS, **{"network": setting.network(given.work, given.predictor), "seed": seed, **OURS[scheduler]}
        )
    outcome = replay_curves(made, every[task], setting.sequence(seed), CONCURRENT)
    assert getattr(made, "num_failures", 0) == 0, "the scheduler says what in the log above"
    return {
        "scheduler": scheduler,
        "task": task,
        "seed": seed,
        "spent": outcome.spent,
        "regret": outcome.regret,
        "complete": int((outcome.epochs == EPOCHS).sum()),
    }


def item_of(every: dict[str, LearningCurves], scheduler: str, task: str, seed: int, given: Any) -> WorkItem:
    curves = every[task]
    identity = {
        "scheduler": scheduler,
        "task": task,
        "seed": seed,
        "trials": TRIALS,
        "concurrent": CONCURRENT,
        "predictor": given.predictor,
        "measured": [len(curves), float(np.nansum(curves.scores))],
    }
    name = "".join(letter if letter.isalnum() else "-" for letter in scheduler)
    return WorkItem(f"{task}/{name}.{seed}", identity, partial(replayed, every, scheduler, task, seed, given))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, default=BUNDLED_TABLE, help="a table of mpnas tables build")
    parser.add_argument(
        "--predictor",
        default="mpnas-3",
        help="a predictor that has seen none of the tasks: a name or a checkpoint of mpnas meta-train",
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--work", type=Path, default=Path("build/early_stopping"), help="unfinished work")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    every = read_curves(given.table)
    store, rows = Store(given.work), []
    for unit in units(every, given.seeds):
        rows.append(compute_once(item_of(every, *unit, given), store))
        print(*unit, f"{rows[-1]['spent']:.3f} {rows[-1]['regret']:.4f}", flush=True)
    content = {**facts("torch", "numpy", "ray"), "trials": TRIALS, "concurrent": CONCURRENT, "rows": rows}
    content["archs"] = len(np.unique(next(iter(every.values())).archs.codes, axis=0))
    write_results(given.out, "early_stopping", content, page(content))
    save_picture(content, given.out / "early_stopping.png")


Values = dict[tuple[str, str], NDArray[np.float64]]


def values_of(content: dict[str, Any], figure: str) -> Values:
    """(Scheduler, task) -> by seed; the task ``mean`` is the mean over tasks."""
    found: dict[tuple[str, str], dict[int, float]] = {}
    for row in content["rows"]:
        found.setdefault((row["scheduler"], row["task"]), {})[row["seed"]] = row[figure]
    values = {key: np.array([by_seed[seed] for seed in sorted(by_seed)]) for key, by_seed in found.items()}
    for scheduler in EVERY:
        values[scheduler, "mean"] = np.mean([of for (name, _), of in values.items() if name == scheduler], axis=0)
    return values


def interval(values: NDArray[np.float64]) -> float:
    """Half the width of the 95% interval of the mean."""
    n = len(values)
    return float(student.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan")


def page(content: dict[str, Any]) -> list[str]:
    spent, regret, complete = (values_of(content, figure) for figure in ("spent", "regret", "complete"))
    tasks = [*dict.fromkeys(row["task"] for row in content["rows"]), "mean"]
    seeds = len(spent[ASHA, "mean"])
    lines = [
        "# Early stopping on measured curves",
        "",
        f"`{content['command']}`, {content['machine']}, {content['versions']}.",
        "",
        f"Sequences of {content['trials']} random architectures of our own table ({content['archs']} architectures,",
        f"{EPOCHS} epochs each), {content['concurrent']} trainings at once, {seeds} seeds a task. Schedulers are the",
        "real objects of Ray Tune in a light stand-in of its controller (`replay/early_stopping.py`), told the curves",
        "that were measured. LCRankNet is pre-trained with the task's family held out, on the half of the",
        "architectures that is not in the sequence; what it knows of architectures beforehand is from a predictor that",
        "has seen none of these tasks. Its refits are ready at once here, where a search has them some trials later.",
        "",
        "Spent is the share of the epochs of full trainings. Regret, in percentage points of validation accuracy, is",
        "by how much the best of the sequence beats the trial chosen by its last value among those that went furthest,",
        "both trained in full. Means ± half of the 95% interval over seeds, which covers the order of the sequence",
        "and its half, not the five tasks. When to look, how strictly, and the network's size were decided with",
        "replays of these tasks in view, which flatters LCRankNet; its weights have seen none of them.",
        "",
        "| scheduler | spent | regret | trained in full |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name in EVERY:
        part, lost = spent[name, "mean"], regret[name, "mean"]
        lines.append(
            f"| {name} | {100 * part.mean():.1f}% ± {100 * interval(part):.1f} | {100 * lost.mean():.2f} ± "
            f"{100 * interval(lost):.2f} | {complete[name, 'mean'].mean():.1f} |"
        )
    lines += ["", "[The picture](early_stopping.png).", "", "## Half of ASHA's epochs at no larger regret?", ""]
    lines += [*verdicts(spent, regret), "", "## By task: spent, regret", ""]
    lines += ["| scheduler | " + " | ".join(tasks) + " |", "| --- |" + " ---: |" * len(tasks)]
    for name in EVERY:
        cells = [f"{100 * spent[name, task].mean():.0f}%, {100 * regret[name, task].mean():.1f}" for task in tasks]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def verdicts(spent: Values, regret: Values) -> list[str]:
    """Against each ASHA, the cheapest delta of no larger mean regret, chosen with hindsight; and the paper's delta."""
    lines = [
        "| against | LCRankNet | its epochs / ASHA's | its regret - ASHA's |",
        "| --- | --- | ---: | ---: |",
    ]
    ratios = []
    swept = [f"LCRankNet, delta {delta:g}" for delta in DELTAS]
    for asha in (name for name in TUNE if name.startswith("ASHA")):
        fair = [name for name in swept if regret[name, "mean"].mean() <= regret[asha, "mean"].mean()]
        cheapest = min(fair, key=lambda name: float(spent[name, "mean"].mean()), default=None)
        chosen = {"delta 0.45, as it is": DEFAULT}
        if cheapest is not None:
            ratios.append(float(spent[cheapest, "mean"].mean() / spent[asha, "mean"].mean()))
            chosen[f"{cheapest.partition(', ')[2]}, with hindsight"] = cheapest
        for label, name in chosen.items():
            ratio = spent[name, "mean"].mean() / spent[asha, "mean"].mean()
            worse = regret[name, "mean"] - regret[asha, "mean"]
            lines.append(
                f"| {asha} | {label} | {ratio:.2f} | {100 * worse.mean():+.2f} ± {100 * interval(worse):.2f} |"
            )
        if cheapest is None:
            lines.append(f"| {asha} | no delta has so little regret | - | - |")
    reached = sum(ratio <= 0.5 for ratio in ratios)
    lines += [
        "",
        f"With the delta chosen with hindsight, half is reached against {reached} settings of ASHA. One epoch of each",
        "training is spent before any can be judged, and it says little of the last ([our own table](mini_table.md)).",
        "`only the first n, in full` is what as many epochs give without any judgement.",
    ]
    return lines


def save_picture(content: dict[str, Any], path: Path) -> None:
    spent, regret = values_of(content, "spent"), values_of(content, "regret")
    tasks = ["mean", *dict.fromkeys(row["task"] for row in content["rows"])]
    figure = Figure(figsize=(12, 7.5), layout="constrained")
    panels = figure.subplots(2, 3).ravel()
    families = {
        "ASHA": ("o", [name for name in TUNE if name.startswith("ASHA")]),
        "fewer trainings, in full": (".", list(FEWER)),
        "median rule": ("^", [name for name in TUNE if name.startswith("median")]),
        "HyperBand": ("s", ["HyperBand"]),
        "LCRankNet, by delta": ("D", [f"LCRankNet, delta {delta:g}" for delta in DELTAS]),
        "LCRankNet, not pre-trained": ("v", ["LCRankNet, delta 0.45, not pre-trained"]),
    }
    for panel, task in zip(panels, tasks, strict=False):
        for label, (marker, names) in families.items():
            names = sorted(names, key=lambda name: float(spent[name, task].mean()))
            across = [100 * spent[name, task].mean() for name in names]
            up = [100 * regret[name, task].mean() for name in names]
            errors = [100 * interval(regret[name, task]) for name in names]
            panel.errorbar(across, up, errors, marker=marker, label=label, capsize=2, linewidth=1, markersize=5)
        panel.set_title("mean over tasks" if task == "mean" else task)
        panel.set_xscale("log")
        panel.set_xticks([5, 10, 20, 50, 100], ["5", "10", "20", "50", "100"])
        panel.set_ylim(bottom=0)
        panel.grid(alpha=0.3)
    panels[0].legend(frameon=False, fontsize=8)
    figure.supxlabel("epochs spent, % of full trainings")
    figure.supylabel("regret, percentage points")
    with atomic_path(path) as part:
        figure.savefig(part, format="png", dpi=110)


if __name__ == "__main__":
    main()
