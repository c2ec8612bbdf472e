"""Time our calls in Tune's control loop, and write benchmarks/results/control_loop.{json,md}.

    python benchmarks/control_loop.py

Tune calls a searcher in the one thread that starts trials and handles results, so that a slow call stops all of them.
Two questions. How long does `suggest` take once a ranking of 10,000 candidates is there and 1,000 architectures were
seen? And how long does each of our calls take in a replay of 200 trials of a table, while refits run beside them?
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from tabular_runs import SPACE, cluster_and_table, run
from timing import RESULTS, CallTimes, facts, summary_table, write_results

from cluster.observe.telemetry import SearchTelemetry
from mpnas_ray.spaces import get_space
from searchers import ArchitectureSearcher, MPNASSearch, RegularizedEvolution, TPESearch

CALLS = ("suggest", "on_trial_result", "on_trial_complete", "save")
TARGETS = {"suggest, median": 5.0, "suggest, p99": 50.0, "any call": 50.0}
"""Milliseconds that a call may take; chosen by us."""


def ready_suggestions(space_name: str, num_seen: int, num_timed: int) -> dict[str, Any]:
    """Time a searcher that knows ``num_seen`` results and is asked again and again between two refits."""
    space, rng = get_space(space_name), np.random.default_rng(0)
    drawn = space.sample_many(4 * num_seen, rng)
    archs = drawn[np.sort(np.unique(drawn.canonical_keys(), return_index=True)[1])[:num_seen]]
    searcher = MPNASSearch(space, "score", "max", refit_every=num_seen, num_candidates=10_000, seed=0)
    for arch, score in zip(archs, rng.normal(size=num_seen), strict=True):
        searcher.add_evaluated_point({"arch": str(arch)}, float(score))
    ask(searcher, "first")  # fits and ranks
    calls = CallTimes()
    with calls.of_methods(MPNASSearch, ("suggest", "on_trial_result", "on_trial_complete")):
        for number in range(num_timed):
            trial_id = f"trial-{number}"
            ask(searcher, trial_id)
            result = {"score": float(rng.normal()), "training_iteration": 1}
            searcher.on_trial_result(trial_id, result)
            searcher.on_trial_complete(trial_id, result)
    assert searcher.num_refits == 1, "no other refit came between"
    return {"space": space_name, "seen": num_seen, "failures": searcher.num_failures, "calls": calls.summary()}


def ask(searcher: ArchitectureSearcher, trial_id: str) -> None:
    for _ in range(6_000):
        if searcher.suggest(trial_id) is not None:
            return
        time.sleep(0.01)
    raise TimeoutError(f"{type(searcher).__name__} proposed nothing for a minute")


def replays(num_trials: int, seconds: float) -> list[dict[str, Any]]:
    """Replay searches in Tune, with a snapshot each second as in `run_search`."""
    os.environ["TUNE_GLOBAL_CHECKPOINT_S"] = "1"
    rows = []
    with cluster_and_table() as (table, storage):
        # The texts of one network apart: 15,625 candidates.
        makers = {
            "MPNASSearch": lambda: MPNASSearch(SPACE, seed=0, allow_isomorphic=True),
            "TPESearch": lambda: TPESearch(SPACE, seed=0, allow_isomorphic=True),
            "RegularizedEvolution": lambda: RegularizedEvolution(SPACE, seed=0, allow_isomorphic=True),
        }
        for name, make in makers.items():
            searcher, calls = make(), CallTimes()
            telemetry = SearchTelemetry(searcher, str(storage), name, table.task.metric)
            start = time.perf_counter()
            with (
                calls.of_methods(type(searcher), CALLS),
                calls.of_methods(SearchTelemetry, ("on_trial_complete",), "telemetry: "),
            ):
                run(table, storage, num_trials, searcher=searcher, seconds=seconds, callbacks=[telemetry], name=name)
            rows.append(
                {
                    "searcher": name,
                    "trials": num_trials,
                    "trial_seconds": seconds,
                    "wall_seconds": time.perf_counter() - start,
                    "refits": getattr(searcher, "num_refits", 0),
                    "failures": searcher.num_failures,
                    "calls": calls.summary(),
                }
            )
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200, help="of each replay")
    parser.add_argument("--seen", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=0.08, help="of a trial in the replays")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    ready = []
    for space in ("mixed", SPACE):
        ready.append(ready_suggestions(space, given.seen, num_timed=given.seen // 2))
        print(ready[-1], flush=True)
    content = {
        **facts("ray", "torch", "numpy", "optuna"),
        "targets_ms": TARGETS,
        "ready": ready,
        "replays": replays(given.trials, given.seconds),
    }
    write_results(given.out, "control_loop", content, page(content))


def page(content: dict[str, Any]) -> list[str]:
    lines = [
        "# Our calls in Tune's control loop",
        "",
        f"`{content['command']}`, {content['machine']}, {content['versions']}.",
        "",
        "Milliseconds of wall time; the last column is the CPU time of the control thread in the slowest call: for the",
        "rest of it, it waited for a core or for the disk.",
    ]
    for row in content["ready"]:
        suggest = row["calls"]["suggest"]
        met = suggest["p50_ms"] < TARGETS["suggest, median"] and suggest["p99_ms"] < TARGETS["suggest, p99"]
        lines += [
            "",
            f"**{row['space']}**, a ready ranking, {row['seen']:,} architectures seen "
            f"(`suggest` below 5 at the median and 50 at p99: {'met' if met else 'missed'}):",
            "",
            *summary_table(row["calls"]),
        ]
    for row in content["replays"]:
        slowest = max(call["max_ms"] for call in row["calls"].values())
        lines += [
            "",
            f"**{row['searcher']}**, {row['trials']} trials of {row['trial_seconds']} s in Tune, two at a time, in "
            f"{row['wall_seconds']:.0f} s with {row['refits']} refits "
            f"(no call above 50: {'met' if slowest <= TARGETS['any call'] else 'missed'}):",
            "",
            *summary_table(row["calls"]),
        ]
    return lines


if __name__ == "__main__":
    main()
