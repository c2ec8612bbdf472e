"""Measure what zero-cost proxies say of measured scores: benchmarks/results/proxies.{json,md,png,parquet}.

    python benchmarks/proxies.py --tables FOLDER --work FOLDER

First, all proxies on 1,000 random cells of NAS-Bench-201, whose data sets are not needed: inputs are random numbers.
Then the cheaper ones on the architectures of our own table, on its tasks. Chunks of architectures are files in the work
folder; those that are there are not computed again. The scores themselves are in proxies.parquet.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from timing import RESULTS, facts, write_results

from cluster.pages.markdown import markdown_table, wrapped
from cluster.work.items import Store, WorkItem
from cluster.work.running import compute_once
from mpnas_ray.files.atomic import atomic_path
from mpnas_ray.spaces import Architectures, get_space
from mpnas_ray.stats import bootstrap_interval, kendall, spearman
from mpnas_ray.tables import BUNDLED_TABLE, TableTask, load_tasks
from mpnas_ray.tables.stratified import draw_stratified
from trainables import get_task
from trainables.proxies import Probe, ProxySettings, get_proxy, proxy_names, random_probe, score_archs, task_probe
from trainables.training.data import PreparedData

NB201 = "nasbench201"
NUM_CELLS, CHUNK = 1_000, 20
INPUT_SHAPE, NUM_CLASSES = (3, 12, 12), 10
NB201_SETTINGS, NB201_NTK = ProxySettings("paper", 32, 0, "random"), ProxySettings("paper", 16, 0, "random")
MINI_SETTINGS, NUM_MINI = ProxySettings("small", 32, 0, "task"), 300
MINI_PROXIES = ("params", "flops", "l2_norm", "grad_norm", "snip", "synflow", "jacob_cov", "naswot", "zen")
ORDER = ("params", "flops", "l2_norm", "grad_norm", "plain", "snip", "grasp", "fisher", "synflow", "jacob_cov")
BASELINES = ("params", "flops")
AGAINST = """Against the better of the two counts (in brackets); alike are those whose difference has a 95 % bootstrap
interval that holds 0, the rest is worse:"""


@dataclass(frozen=True)
class Chunk:
    """Some architectures to be scored on one task, or on random inputs for ``nasbench201``."""

    task: str
    number: int
    archs: tuple[str, ...]
    proxies: tuple[str, ...]

    def settings(self, proxy: str) -> ProxySettings:
        if self.task != NB201:
            return MINI_SETTINGS
        return NB201_NTK if proxy == "ntk" else NB201_SETTINGS

    def told(self) -> dict[str, Any]:
        """Return all that the scores depend on."""
        settings = {proxy: asdict(self.settings(proxy)) for proxy in self.proxies}
        return {"archs": list(self.archs), "settings": settings, "input_shape": list(INPUT_SHAPE)}

    def item(self) -> WorkItem:
        return WorkItem(f"{self.task}-{self.number:05}", self.told(), partial(compute, self))


@lru_cache
def probe_of(task_name: str, settings: ProxySettings) -> Probe:
    if task_name == NB201:
        return random_probe(INPUT_SHAPE, NUM_CLASSES, settings)
    task = get_task(task_name)
    return task_probe(task, PreparedData(task, None, torch.device("cpu")), settings)


def compute(chunk: Chunk) -> dict[str, Any]:
    torch.set_num_threads(1)
    archs, scores, seconds = Architectures.of(chunk.archs), {}, {}
    for name in chunk.proxies:
        settings = chunk.settings(name)
        probe = probe_of(chunk.task, settings)
        start = time.process_time()
        scores[name] = [
            score if np.isfinite(score) else None for score in score_archs(get_proxy(name), archs, probe, settings)
        ]
        seconds[name] = time.process_time() - start
    return {"archs": list(chunk.archs), "scores": scores, "seconds": seconds}


def chunks_of(task: str, archs: Architectures, proxies: Sequence[str]) -> list[Chunk]:
    texts = [str(arch) for arch in archs]
    starts = range(0, len(texts), CHUNK)
    return [Chunk(task, n, tuple(texts[start : start + CHUNK]), tuple(proxies)) for n, start in enumerate(starts)]


@dataclass(frozen=True)
class Scores:
    """The scores of the architectures of one task, and the time that they took.

    Attributes:
        archs: Architecture strings.
        values: Proxy -> scores ``[N]``, NaN where there is none.
        seconds: Proxy -> CPU seconds a network, the median over chunks, since the first of a process takes longer.
    """

    archs: list[str]
    values: dict[str, NDArray[np.float64]]
    seconds: dict[str, float]


def collected(contents: Sequence[Mapping[str, Any]]) -> Scores:
    archs = [arch for content in contents for arch in content["archs"]]
    names = list(contents[0]["scores"])
    values = {
        name: np.array([value for content in contents for value in content["scores"][name]], dtype=np.float64)
        for name in names
    }
    seconds = {
        name: float(np.median([content["seconds"][name] / len(content["archs"]) for content in contents]))
        for name in names
    }
    return Scores(archs, values, seconds)


def correlations(scores: Scores, tables: Mapping[str, TableTask]) -> dict[str, dict[str, Any]]:
    """Correlate each proxy with the table of each data set; an architecture without a score ranks last."""
    rows: dict[str, dict[str, Any]] = {name: {} for name in scores.values}
    for label, task in tables.items():
        measured = dict(zip(map(str, task.archs), task.scores, strict=True))
        there = np.array([arch in measured for arch in scores.archs])
        truth = np.array([measured[arch] for arch in scores.archs if arch in measured])
        given = {name: ranked_last(values[there]) for name, values in scores.values.items()}
        for name, values in given.items():
            rows[name][label] = {
                "spearman": float(spearman(values, truth)),
                "kendall": kendall(values, truth),
                "archs": len(values),
                "without_score": int(np.isnan(scores.values[name][there]).sum()),
            }
        best = max(BASELINES, key=lambda name: rows[name][label]["spearman"])
        for name, values in given.items():
            found = bootstrap_interval(values, given[best], truth, statistic=difference, rng=np.random.default_rng(0))
            rows[name][label]["over_best_count"] = [found.low, found.high]
    return rows


def ranked_last(values: NDArray[np.float64]) -> NDArray[np.float64]:
    missing = np.isnan(values)
    return np.where(missing, values[~missing].min() - 1.0, values)


def difference(
    one: NDArray[np.float64], other: NDArray[np.float64], truth: NDArray[np.float64], axis: int
) -> NDArray[np.float64]:
    """Subtract the correlation of the other from that of the one."""
    one, other, truth = (np.moveaxis(values, axis, -1) for values in (one, other, truth))
    return np.asarray(spearman(one, truth) - spearman(other, truth))


def save_scores(every: Mapping[str, Scores], path: Path) -> None:
    """Write one row for each architecture of a task and one column for each proxy; null if there is no score."""
    names = proxy_names()
    rows = [(task, arch) for task, scores in every.items() for arch in scores.archs]
    columns: dict[str, Any] = {"task": [task for task, _ in rows], "arch": [arch for _, arch in rows]}
    for name in names:
        parts = [scores.values.get(name, np.full(len(scores.archs), np.nan)) for scores in every.values()]
        columns[name] = pa.array(np.concatenate(parts), from_pandas=True)
    with atomic_path(path) as part:
        pq.write_table(pa.table(columns), part, compression="zstd")


def save_picture(nb201: Mapping[str, Any], mini: Mapping[str, Any], path: Path) -> None:
    figure = Figure(figsize=(12, 5.5), layout="constrained")
    for panel, rows, title in zip(
        figure.subplots(1, 2), (nb201, mini), ("NAS-Bench-201, 1,000 random cells", "our own table"), strict=True
    ):
        labels = list(next(iter(rows.values())))
        matrix = np.array([[row[label]["spearman"] for label in labels] for row in rows.values()])
        panel.imshow(matrix, cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
        panel.set_title(title)
        panel.set_xticks(range(len(labels)), labels, rotation=35, ha="right")
        panel.set_yticks(range(len(rows)), list(rows))
        for (row, column), value in np.ndenumerate(matrix):
            colour = "white" if abs(value) > 0.6 else "black"
            panel.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=8, color=colour)
    figure.suptitle("Spearman correlation of scores without training with scores after it")
    with atomic_path(path) as part:
        figure.savefig(part, format="png", dpi=110)


def ordered(names: Sequence[str]) -> list[str]:
    return sorted(names, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))


def table_lines(rows: Mapping[str, Any], seconds: Mapping[str, float]) -> str:
    labels = list(next(iter(rows.values())))
    lines = [
        [
            name,
            *(f"{row[label]['spearman']:.2f} ({row[label]['kendall']:.2f})" for label in labels),
            f"{1e3 * seconds[name]:.3g}",
            str(row[labels[0]]["without_score"]),
        ]
        for name, row in rows.items()
    ]
    return markdown_table(["proxy", *labels, "ms a network", "no score"], lines)


def said(rows: Mapping[str, Any]) -> str:
    """Say for each data set which proxies surely rank better or worse than the better of the two counts."""
    lines = []
    for label in next(iter(rows.values())):
        best = max(BASELINES, key=lambda name: rows[name][label]["spearman"])
        intervals = {name: row[label]["over_best_count"] for name, row in rows.items() if name not in BASELINES}
        better = [name for name, (low, _) in intervals.items() if low > 0]
        alike = [name for name, (low, high) in intervals.items() if low <= 0 <= high]
        counted = f"{best}, {rows[best][label]['spearman']:.2f}"
        lines.append(
            f"- {label} ({counted}): better {', '.join(better) or 'none'}; alike {', '.join(alike) or 'none'}."
        )
    return "\n".join(lines)


def page(content: Mapping[str, Any]) -> list[str]:
    nb201, mini = content["nasbench201"], content["own_table"]
    side = INPUT_SHAPE[-1]
    intro = f"""# Zero-cost proxies against measured scores

`{content["command"]}`, {content["machine"]}, {content["versions"]}.

Spearman correlation, and Kendall's tau in brackets, of a proxy of the untrained network with its score after training.
Proxies are turned so that high is good (the condition number `ntk` is negated). An architecture without a finite score
ranks last; how many there are is the last column. Milliseconds are of one core, building the network included.

## NAS-Bench-201

{content["num_cells"]:,} random cells (seed 0); test accuracy of the table, for `darcy` the negated error. Networks are
those of the benchmark (preset paper: five cells a stack, 16 to 64 channels) on standard normal inputs of
{side} x {side} x 3 instead of 32 x 32, with random labels, so nothing of a data set is seen; one batch of
{NB201_SETTINGS.batch_size} (`ntk`: {NB201_NTK.batch_size}), seed 0. `linear_regions` is counted in networks one channel
wide. `flops` counts only operations that a path from input to output reaches, `params` and `l2_norm` count all.
"""
    middle = f"""{AGAINST}

{said(nb201["correlations"])}

## Our own table

The {mini["archs"]} architectures of [our table](mini_table.md) (mixed space, small preset) on its tasks, as
`mpnas score` computes them: a batch of {MINI_SETTINGS.batch_size} training samples, seed 0; validation metric after the
last epoch.
"""
    end = f"""{AGAINST}

{said(mini["correlations"])}

![Spearman correlations](proxies.png)

The scores of all architectures are in `proxies.parquet`, one row an architecture of a task (`nasbench201`: random
inputs), null where there is none.
"""
    text = "\n\n".join(
        [
            wrapped(intro).strip(),
            table_lines(nb201["correlations"], nb201["seconds"]),
            wrapped(middle).strip(),
            table_lines(mini["correlations"], mini["seconds"]),
            wrapped(end).strip(),
        ]
    )
    return text.split("\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, required=True, help="folder of NAS tables")
    parser.add_argument("--work", type=Path, default=Path("runs/proxies"), help="folder of the chunks")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    names = [f"{NB201}/{name}" for name in ("cifar10", "cifar100", "imagenet16-120", "ninapro", "darcy")]
    tables = load_tasks(given.tables, names)
    every = tables[names[0]].archs
    cells = every[np.sort(np.random.default_rng(0).choice(len(every), NUM_CELLS, replace=False))]
    own = {name.partition("/")[2]: task for name, task in load_tasks(BUNDLED_TABLE).items()}
    drawn = draw_stratified(get_space("mixed"), NUM_MINI)
    chunks = {NB201: chunks_of(NB201, cells, ordered(proxy_names()))}
    chunks |= {task: chunks_of(task, drawn, MINI_PROXIES) for task in own}
    items, store = [chunk.item() for of_task in chunks.values() for chunk in of_task], Store(given.work)
    with ProcessPoolExecutor(given.processes, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(compute_once, item, store): item.name for item in items}
        for number, future in enumerate(as_completed(futures), start=1):
            future.result()
            print(f"[{number}/{len(items)}] {futures[future]}", flush=True)
    scores = {
        task: collected([compute_once(chunk.item(), store) for chunk in of_task]) for task, of_task in chunks.items()
    }
    nb201 = correlations(scores[NB201], {name.partition("/")[2]: tables[name] for name in names})
    found = {task: correlations(scores[task], {task: own[task]}) for task in own}
    content = {
        **facts("torch", "numpy", "scipy"),
        "num_cells": NUM_CELLS,
        "settings": {NB201: asdict(NB201_SETTINGS), "ntk": asdict(NB201_NTK), "own_table": asdict(MINI_SETTINGS)},
        "input_shape": INPUT_SHAPE,
        NB201: {"correlations": nb201, "seconds": scores[NB201].seconds},
        "own_table": {
            "archs": max(len(task) for task in own.values()),
            "correlations": {name: {task: found[task][name][task] for task in own} for name in MINI_PROXIES},
            "seconds": {name: float(np.mean([scores[task].seconds[name] for task in own])) for name in MINI_PROXIES},
        },
    }
    content["command"] = "python benchmarks/proxies.py --tables FOLDER"  # folders are this machine's
    write_results(given.out, "proxies", content, page(content))
    save_scores(scores, given.out / "proxies.parquet")
    save_picture(nb201, content["own_table"]["correlations"], given.out / "proxies.png")


if __name__ == "__main__":
    main()
