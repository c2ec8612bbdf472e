"""The searches of table 7 on our own table, where one takes seconds and not minutes: for many seeds."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cluster.experiments.replay.table import replay
from mpnas_ray.files.atomic import write_atomic
from mpnas_ray.tables import TableTask, load_tasks
from searchers import MPNASSearch

__all__ = ["read_replay", "replay_search"]

_KIND = "mpnas-ray replay of table 7"


def replay_search(table: Path, name: str, predictor: Path | None, seed: int, num_samples: int, out: Path) -> float:
    """Search a task of the table, from a random architecture on, and write the scores asked for. Returns CPU seconds.

    The first architecture makes the seeds differ: given predictor and table, little else is left to chance.
    """
    start = time.process_time()
    task = load_tasks(table, [name])[name]
    first = [str(task.archs[int(np.random.default_rng(seed).integers(len(task)))])]
    searcher = MPNASSearch(task.archs.space, predictor=predictor, seed=seed, points_to_evaluate=first)
    found = replay(searcher, task, num_samples)
    seconds = time.process_time() - start
    content = {"kind": _KIND, "archs": found.archs, "scores": found.scores.tolist(), "seconds": seconds}
    write_atomic(out, json.dumps(content | _identity(task, seed, num_samples)) + "\n")
    return seconds


def read_replay(out: Path, task: TableTask, seed: int, num_samples: int) -> NDArray[np.float64] | None:
    """The scores of a replay, None if it must be done."""
    try:
        content = json.loads(out.read_text(encoding="utf-8"))
        expected = {"kind": _KIND, **_identity(task, seed, num_samples)}
        return np.array(content["scores"], dtype=np.float64) if expected.items() <= content.items() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _identity(task: TableTask, seed: int, num_samples: int) -> dict[str, object]:
    return {
        "task": task.name,
        "measured": len(task),
        "total": float(task.raw.sum()),
        "seed": seed,
        "asked": num_samples,
    }
