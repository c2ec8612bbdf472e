"""Time the parts of a refit of `MPNASSearch`, and write benchmarks/results/refits.{json,md}.

    python benchmarks/refits.py

After a result, a search fits its predictor anew and ranks all candidates. What does that take of the CPU, and which
part of it takes how much? Times are those of one thread, and each part is without the parts that it calls. On a busy
machine all take longer alike: compare shares, and the whole with that of another version on the same machine.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from tabular_runs import made_up_task
from timing import RESULTS, facts, write_results

from cluster.experiments.replay.table import replay
from mpnas_ray.catalogue import load_predictor
from mpnas_ray.meta_learning.mixture import MixturePredictor, lookup
from mpnas_ray.meta_learning.mixture.memory import Memory
from mpnas_ray.meta_learning.mixture.process import posterior
from mpnas_ray.meta_learning.mixture.rows import KernelRows
from mpnas_ray.spaces import Architectures, get_space
from searchers import MPNASSearch
from searchers.core.candidates import Candidates
from searchers.model_based.ranking import by_predictor
from searchers.model_based.ranking.base import RankingRequest
from searchers.model_based.ranking.by_predictor import PredictorRanker

SPACES = ("mixed", "nasbench101", "nasbench201")
NUM_CANDIDATES, NUM_RESULTS, REFITS = 10_000, 100, 3
QUERIES = 100
TARGET = 0.5
"""CPU seconds that a refit may take; chosen by us."""

WHOLE = "all else"
PARTS: dict[str, tuple[tuple[Any, str], ...]] = {
    "draw candidates, and their keys": ((Candidates, "sample"), (Candidates, "keys")),
    "neighbours of the best": ((by_predictor, "climb"),),
    "what sources measured": ((Memory, "recall"),),
    "what the network says of the rest": ((lookup, "predict_sources"),),
    "graph features, counts and prices": ((lookup, "graph_features"), (lookup, "priced_counts")),
    "kernels of candidates and results": ((KernelRows, "between"),),
    "condition on the results": ((MixturePredictor, "adapt"),),
    "expected scores": ((MixturePredictor, "predict"),),
    "standard deviations of a short list": ((posterior.Posterior, "moments"),),
    WHOLE: ((PredictorRanker, "rank"),),
}
"""Part -> the functions that do it."""


@dataclass
class PartTimes:
    """CPU seconds of each part, without those of the parts that are called in it."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))
    _under_way: list[str] = field(default_factory=list)
    _since: float = 0.0

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            self._switch()
            self._under_way.append(part)
            try:
                return function(*args, **kwargs)
            finally:
                self._switch()
                self._under_way.pop()

        return call

    def _switch(self) -> None:
        """Book what was spent since the last switch."""
        now = time.process_time()
        if self._under_way:
            self.seconds[self._under_way[-1]] += now - self._since
        self._since = now

    @contextmanager
    def running(self) -> Iterator[None]:
        with ExitStack() as stack:
            for part, functions in PARTS.items():
                for owner, name in functions:
                    stack.enter_context(patch.object(owner, name, self.timed(part, getattr(owner, name))))
            yield


def requests(space_name: str) -> list[RankingRequest]:
    """Make results that follow what other tasks say, with noise, so that a search goes on to explore."""
    space, rng = get_space(space_name), np.random.default_rng(0)
    drawn = space.sample_many(4 * NUM_RESULTS, rng)
    archs = drawn[np.sort(np.unique(drawn.canonical_keys(), return_index=True)[1])[:NUM_RESULTS]]
    expected = load_predictor().measuring("quality").predict(archs)
    labels = expected + 0.7 * expected.std() * rng.normal(size=len(archs))
    return [_request(archs, labels, NUM_RESULTS - left) for left in reversed(range(REFITS + 1))]


def _request(archs: Architectures, labels: np.ndarray, num: int) -> RankingRequest:
    return RankingRequest([str(arch) for arch in archs[:num]], labels[:num], archs.canonical_keys()[:num], num)


def refits(space_name: str) -> dict[str, Any]:
    """Time refits after the first, for which the space is looked at."""
    first, *others = requests(space_name)
    searcher = MPNASSearch(space_name, "accuracy", "max", num_candidates=NUM_CANDIDATES, seed=0)
    rank = PredictorRanker.rank.__get__(searcher._rank().__self__)  # type: ignore[attr-defined]
    rank(first)
    start = time.process_time()
    sizes = [len(rank(request)) for request in others]
    whole = (time.process_time() - start) / REFITS
    times = PartTimes()
    with times.running():
        for request in others:
            PredictorRanker.rank(rank.__self__, request)
    parts = {part: seconds / REFITS for part, seconds in times.seconds.items()}
    return {"space": space_name, "candidates": int(np.mean(sizes)), "seconds": whole, "parts": parts}


def run() -> dict[str, Any]:
    """Time a whole search of a made-up table, with a refit after each result."""
    task = made_up_task()
    searcher = MPNASSearch(task.archs.space, refit_every=1, seed=0, allow_isomorphic=True)
    start = time.process_time()
    replay(searcher, task, QUERIES)
    return {"queries": QUERIES, "refits": searcher.num_refits, "seconds": time.process_time() - start}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for space in SPACES:
        rows.append(refits(space))
        print(rows[-1], flush=True)
    content = {**facts("torch", "numpy"), "target_seconds": TARGET, "refits": rows, "run": run()}
    write_results(given.out, "refits", content, page(content))


def page(content: dict[str, Any]) -> list[str]:
    rows, search = content["refits"], content["run"]
    lines = [
        "# What a refit takes",
        "",
        f"`{content['command']}`, {content['machine']}, {content['versions']}.",
        "",
        f"CPU seconds of a refit of `MPNASSearch` with {NUM_RESULTS} results and {NUM_CANDIDATES:,} sampled candidates",
        "(all of NAS-Bench-201), the neighbours of the best added; mean of three after the first. Parts are shares of",
        "it. On a busy machine all times are longer alike.",
        "",
        "| | " + " | ".join(row["space"] for row in rows) + " |",
        "| --- |" + " ---: |" * len(rows),
        "| candidates that were not proposed | " + " | ".join(f"{row['candidates']:,}" for row in rows) + " |",
        f"| CPU seconds (at most {content['target_seconds']}) | "
        + " | ".join(f"{row['seconds']:.2f}" for row in rows)
        + " |",
    ]
    for part in PARTS:
        shares = [row["parts"][part] / sum(row["parts"].values()) for row in rows]
        lines.append(f"| {part} | " + " | ".join(f"{100 * share:.0f} %" for share in shares) + " |")
    return [
        *lines,
        "",
        f"A search of {search['queries']} queries on a made-up table of all 15,625 cells of NAS-Bench-201, with "
        f"{search['refits']} refits, took {search['seconds']:.1f} CPU seconds.",
    ]


if __name__ == "__main__":
    main()
