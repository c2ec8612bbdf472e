"""Measure what a searcher costs Tune's driver, and write benchmarks/results/driver_cost.{json,md}.

    python benchmarks/driver_cost.py

Trials of a made-up table that take no time, on reused actors, with `MPNASSearch` and with Tune's own random search in
turns in one process and one Ray cluster. CPU time is that of the driver process with all its threads; refits run in
processes of their own, which compete for the cores but are not part of it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from ray.tune.search import Searcher
from tabular_runs import NUM_CPUS, SPACE, Clock, Table, cluster_and_table, run
from timing import RESULTS, facts, write_results

from searchers import MPNASSearch

TARGET = 1.15
"""Driver CPU of ours over Tune's; ours."""

SEARCHERS: dict[str, Callable[[], Searcher | None]] = {
    "Tune's random search": lambda: None,
    "MPNASSearch": lambda: MPNASSearch(SPACE, seed=0, twins=True),
}
NUM_PARTS = 4


def measure(table: Table, storage: Path, searcher: Searcher | None, num_trials: int) -> dict[str, Any]:
    """Milliseconds a trial of a whole experiment, and of each quarter of its trials."""
    clock = Clock()
    wall, cpu = time.perf_counter(), time.process_time()
    run(table, storage, num_trials, searcher=searcher, callbacks=[clock])
    whole_wall, whole_cpu = time.perf_counter() - wall, time.process_time() - cpu
    ends = [part * num_trials // NUM_PARTS - 1 for part in range(1, NUM_PARTS + 1)]
    starts = [0, *ends[:-1]]
    parts = [1e3 * (clock.cpu[end] - clock.cpu[start]) / (end - start) for start, end in zip(starts, ends, strict=True)]
    return {
        "cpu_ms": 1e3 * whole_cpu / num_trials,
        "wall_ms": 1e3 * whole_wall / num_trials,
        "cpu_ms_of_parts": parts,
        "refits": getattr(searcher, "num_refits", 0),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[250, 1_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    rows = []
    with cluster_and_table() as (table, storage):
        for make in SEARCHERS.values():  # imports, worker processes
            run(table, storage, 20, searcher=make())
        for repeat in range(given.repeats):
            order = list(SEARCHERS) if repeat % 2 == 0 else list(SEARCHERS)[::-1]
            for num_trials in given.trials:
                for name in order:
                    row = measure(table, storage, SEARCHERS[name](), num_trials)
                    rows.append({"searcher": name, "trials": num_trials, "repeat": repeat, **row})
                    print(rows[-1], flush=True)
    content = {**facts("ray", "torch", "numpy"), "target_ratio": TARGET, "runs": rows}
    write_results(given.out, "driver_cost", content, page(content, given.trials, given.repeats))


def page(content: dict[str, Any], counts: list[int], repeats: int) -> list[str]:
    def values(name: str, num_trials: int, key: str) -> list[Any]:
        return [row[key] for row in content["runs"] if (row["searcher"], row["trials"]) == (name, num_trials)]

    random, ours = SEARCHERS
    lines = [
        "# Driver CPU of a trial",
        "",
        f"`{content['command']}`, {content['machine']}, {content['versions']}.",
        "",
        f"Empty trials of a table, {NUM_CPUS} at a time on reused actors; milliseconds a trial, medians of {repeats}",
        "runs in turns; the ratio is the median of the ratios of runs that followed each other.",
        "",
        "| trials | searcher | driver CPU | ratio | wall | refits |",
        "| ---: | --- | ---: | ---: | ---: | ---: |",
    ]
    ratios = {}
    for num_trials in counts:
        pairs = zip(values(ours, num_trials, "cpu_ms"), values(random, num_trials, "cpu_ms"), strict=True)
        ratios[num_trials] = median(own / other for own, other in pairs)
        for name in SEARCHERS:
            cpu, wall, refits = (median(values(name, num_trials, key)) for key in ("cpu_ms", "wall_ms", "refits"))
            ratio = f"{ratios[num_trials]:.2f}" if name == ours else "1"
            lines.append(f"| {num_trials:,} | {name} | {cpu:.2f} | {ratio} | {wall:.1f} | {refits:.0f} |")
    largest = max(counts)
    lines += [
        "",
        f"A ratio of at most {TARGET} was aimed at: {'met' if ratios[largest] <= TARGET else 'missed'} at {largest:,} "
        f"trials. Driver CPU of a trial in each quarter of {largest:,} trials:",
        "",
        "| searcher | first | second | third | last | last over first |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in SEARCHERS:
        parts = [median(part) for part in zip(*values(name, largest, "cpu_ms_of_parts"), strict=True)]
        cells = " | ".join(f"{part:.2f}" for part in parts)
        lines.append(f"| {name} | {cells} | {parts[-1] / parts[0]:.2f} |")
    return lines


if __name__ == "__main__":
    main()
