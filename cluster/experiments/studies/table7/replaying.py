"""The searches of table 7 on our own table, where one takes seconds and not minutes: for many seeds."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cluster.experiments.protocol.fingerprints import digest_of_checkpoint, fingerprint
from cluster.experiments.replay.table import replay
from cluster.work.items import WorkItem
from mpnas_ray.tables import TableTask, load_tasks
from searchers import MPNASSearch

__all__ = ["replay_item", "replay_search"]


def replay_item(
    name: str, table: Path, task: TableTask, predictor: Path | None, seed: int, num_samples: int
) -> WorkItem:
    """Describe a replay as work, which is done in a process without Ray: there refits are made on the spot.

    Args:
        name: Name of the item.
        table: File that holds the task; all nodes must reach it.
        task: The task.
        predictor: Checkpoint of the searcher's predictor, which must be there; None for one from scratch.
        seed: Seed of the first architecture and of the searcher.
        num_samples: Number of architectures that are asked for.
    """
    identity = {
        "task": task.name,
        "table": fingerprint(task),
        "predictor": None if predictor is None else digest_of_checkpoint(predictor),
        "seed": seed,
        "asked": num_samples,
    }
    compute = partial(replay_search, table, task.name, predictor, seed, num_samples)
    return WorkItem(name, identity, compute, without_ray=True)


def replay_search(table: Path, name: str, predictor: Path | None, seed: int, num_samples: int) -> dict[str, Any]:
    """Search a task of the table, from a random architecture on.

    The first architecture makes the seeds differ: given predictor and table, little else is left to chance.

    Returns:
        ``archs`` asked for, in their order, and their ``scores``, higher is better.
    """
    task = load_tasks(table, [name])[name]
    first = [str(task.archs[int(np.random.default_rng(seed).integers(len(task)))])]
    searcher = MPNASSearch(task.archs.space, predictor=predictor, seed=seed, points_to_evaluate=first)
    found = replay(searcher, task, num_samples)
    return {"archs": list(found.archs), "scores": found.scores.tolist()}
