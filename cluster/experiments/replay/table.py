"""Replay a search on a NAS table without Tune: the same questions and answers, thousands a second, for many seeds."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray import tune
from ray.tune.search import Searcher

from mpnas_ray.checks import require_count, require_seed
from mpnas_ray.errors import TableError
from mpnas_ray.tables import TableTask

__all__ = ["Replay", "replay"]

_SPREAD_OF_DURATIONS = 0.5
"""Standard deviation of the logarithm of a trial's duration: one trial in six takes 1.6 times the median or more."""


_MOST_CHOICES = 20_000
"""Architectures of a table that can be listed as choices, as many as of a space that can be listed."""


@dataclass(frozen=True)
class Replay:
    """A searcher's questions in order, with the answers of the table.

    Attributes:
        archs: Architecture strings.
        scores: Scores of the table, higher is better, float64 ``[N]``; NaN for architectures that it lacks.
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


def replay(searcher: Searcher, task: TableTask, num_samples: int, *, num_concurrent: int = 1, seed: int = 0) -> Replay:
    """Ask a searcher for architectures, and tell it their scores in the table.

    Tune does the same with `trainables.TabularTrainable`: an architecture that the table has not measured is a failed
    trial. Every suggestion counts, when it is made.

    With one trial at a time each is told before the next is asked for. With more, as many are under way as the searcher
    gives out, and each takes a random, log-normal time: results come in late and out of order, and a new trial starts
    whenever one ends.

    Args:
        searcher: Searcher of architectures; metric and mode are set here.
        task: Task of the table, whose metric the searcher is told.
        num_samples: Most queries; fewer if the searcher has finished.
        num_concurrent: Most trials under way.
        seed: Seed of the times that trials take; without influence if there is one at a time.

    Raises:
        SettingError: If ``num_concurrent`` is not a whole number of at least 1, or ``num_samples`` or the seed not one
            of at least 0.
    """
    require_count("num_samples", num_samples, 0)
    require_count("num_concurrent", num_concurrent)
    require_seed("seed", seed)
    rng = np.random.default_rng(seed)
    searcher.set_search_properties(task.metric, task.mode, _param_space(task))
    archs: list[str] = []
    scores: list[float] = []
    under_way: list[tuple[float, int, str]] = []  # a heap: when it ends, its query, its architecture
    now, finished = 0.0, False
    while True:
        while len(under_way) < num_concurrent and len(archs) < num_samples and not finished:
            config: Any = searcher.suggest(f"query-{len(archs)}")
            finished = config == Searcher.FINISHED
            if finished or config is None:
                break  # not yet: a ranking is being made, or results must come first
            heapq.heappush(under_way, (now + rng.lognormal(sigma=_SPREAD_OF_DURATIONS), len(archs), config["arch"]))
            archs.append(config["arch"])
            scores.append(np.nan)
        if under_way:
            now, query, arch = heapq.heappop(under_way)
            scores[query] = _tell(searcher, task, f"query-{query}", arch)
        elif finished or len(archs) >= num_samples:
            return Replay(tuple(archs), np.array(scores, dtype=np.float64))


def _param_space(task: TableTask) -> dict[str, Any]:
    """Restrict a search to the architectures of a table that holds a part of a large space; not for a whole space."""
    if task.archs.space.enumerable or len(task) > _MOST_CHOICES:
        return {}
    return {"arch": tune.choice([str(arch) for arch in task.archs])}


def _tell(searcher: Searcher, task: TableTask, trial_id: str, arch: str) -> float:
    """End a trial with its score in the table, and return the score; NaN if the table lacks it."""
    try:
        value = task.value_of(arch)
    except TableError:
        searcher.on_trial_complete(trial_id, error=True)
        return np.nan
    result = {task.metric: value, "training_iteration": 1, "done": True, "config": {"arch": arch}}
    searcher.on_trial_result(trial_id, result)
    searcher.on_trial_complete(trial_id, result)
    return value if task.mode == "max" else -value
