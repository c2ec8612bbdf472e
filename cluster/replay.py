"""A search on a NAS table without Tune: the same questions and answers, thousands a second, for many seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray.tune.search import Searcher

from mpnas_ray.errors import TableError
from mpnas_ray.tables import TableTask

__all__ = ["Replay", "replay"]


@dataclass(frozen=True)
class Replay:
    """What a searcher asked for, in order.

    Attributes:
        archs: Architecture strings.
        scores: What the table has, higher is better, float64 ``[N]``; NaN where it has measured nothing.
    """

    archs: tuple[str, ...]
    scores: NDArray[np.float64]

    def best_so_far(self) -> NDArray[np.float64]:
        """Highest score up to each query ``[N]``; NaN before the first that the table has."""
        return np.fmax.accumulate(self.scores) if len(self.scores) else self.scores

    def queries_to(self, score: float) -> int | None:
        """Queries until a score of at least this was found; None if never."""
        reached = np.flatnonzero(self.scores >= score)
        return int(reached[0]) + 1 if len(reached) else None


def replay(searcher: Searcher, task: TableTask, num_samples: int) -> Replay:
    """Ask a searcher for one architecture after the other and tell it what the table has measured.

    It is what Tune does with `trainables.TabularTrainable` and one trial at a time: an architecture that the table has
    not measured is a failed trial. Every suggestion counts.

    Args:
        searcher: Of architectures; metric and mode are set here.
        task: Its metric is what the searcher is told.
        num_samples: Most queries; fewer if the searcher has finished.
    """
    searcher.set_search_properties(task.metric, task.mode, {})
    archs: list[str] = []
    scores: list[float] = []
    while len(archs) < num_samples:
        trial_id = f"query-{len(archs)}"
        config: Any = searcher.suggest(trial_id)
        if config == Searcher.FINISHED:
            break
        if config is None:
            continue  # not yet: a ranking is being made
        archs.append(config["arch"])
        try:
            value = task.value_of(config["arch"])
        except TableError:
            scores.append(np.nan)
            searcher.on_trial_complete(trial_id, error=True)
            continue
        scores.append(value if task.mode == "max" else -value)
        result = {task.metric: value, "training_iteration": 1, "done": True, "config": config}
        searcher.on_trial_result(trial_id, result)
        searcher.on_trial_complete(trial_id, result)
    return Replay(tuple(archs), np.array(scores, dtype=np.float64))
