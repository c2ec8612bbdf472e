"""Take times for benchmarks, and write their results."""

from __future__ import annotations

import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from cluster.pages.result_json import result_json
from mpnas_ray.files.atomic import write_atomic

RESULTS = Path(__file__).parent / "results"


def median_seconds(function: Callable[[], object], repeats: int) -> float:
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


@dataclass
class CallTimes:
    """Wall and CPU seconds of each call of some methods, by name."""

    wall: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Time the calls of a function; a `suggest` that answers None counts apart, as it proposes nothing."""

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            key, start, cpu_start = name, time.perf_counter(), time.thread_time()
            try:
                answer = function(*args, **kwargs)
                if name == "suggest" and answer is None:
                    key = "suggest, later"
                return answer
            finally:
                self.wall.setdefault(key, []).append(time.perf_counter() - start)
                self.cpu.setdefault(key, []).append(time.thread_time() - cpu_start)

        return call

    @contextmanager
    def of_methods(self, kind: type, names: tuple[str, ...], prefix: str = "") -> Iterator[None]:
        """Time the calls of these methods, on every object of a class, while this is open."""
        with ExitStack() as stack:
            for name in names:
                stack.enter_context(patch.object(kind, name, self.timed(prefix + name, getattr(kind, name))))
            yield

    def summary(self) -> dict[str, dict[str, float]]:
        """Summarise milliseconds by name: quantiles of wall time, and CPU time of this thread in the slowest call."""
        return {
            name: {
                "calls": len(wall),
                **{f"p{q}_ms": 1e3 * float(np.quantile(wall, q / 100)) for q in (50, 99)},
                "max_ms": 1e3 * max(wall),
                "cpu_of_max_ms": 1e3 * self.cpu[name][int(np.argmax(wall))],
            }
            for name, wall in sorted(self.wall.items())
        }


def summary_table(calls: dict[str, dict[str, float]]) -> list[str]:
    return [
        "| call | calls | p50 | p99 | max | CPU of the slowest |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {name} | {c['calls']} | {c['p50_ms']:.2f} | {c['p99_ms']:.2f} | {c['max_ms']:.2f} "
            f"| {c['cpu_of_max_ms']:.2f} |"
            for name, c in calls.items()
        ),
    ]


def facts(*packages: str) -> dict[str, Any]:
    arguments = ["PATH" if Path(argument).is_absolute() else argument for argument in sys.argv[1:]]  # of this machine
    return {
        "command": shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *arguments]),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {name: version(name) for name in packages},
    }


def write_results(folder: Path, name: str, content: dict[str, Any], page: list[str]) -> None:
    """Write ``<name>.json``, of plain values without NaN, and ``<name>.md``."""
    write_atomic(folder / f"{name}.json", result_json(content))
    write_atomic(folder / f"{name}.md", "\n".join(page) + "\n")
