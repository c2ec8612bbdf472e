"""Measure replications: regrets, and queries to a goal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.tables import TableTask

__all__ = ["GOALS", "Scale", "best_so_far", "incumbents", "queries_to"]

GOALS: dict[str, float] = {"top 1 %": 0.01, "top 0.1 %": 0.001, "optimum": 0.0}
"""Name -> part of the space; 0 is the best cell alone."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scale:
    """The scale of a task's scores.

    Cells of the space that the table has not measured count as worst: a search meets them too.

    Attributes:
        best: Highest score.
        median: Score that half of the space reaches.
        worst: Lowest score.
        goals: Name in `GOALS` -> score that reaches it: that of the k-th best cell, k = max(1, part of the space).
    """

    best: float
    median: float
    worst: float
    goals: dict[str, float]

    @classmethod
    def of(cls, task: TableTask) -> Scale:
        """Look at all cells of a space that can be listed, and at those measured of a larger one."""
        space = task.archs.space
        descending = np.sort(task.scores)[::-1]
        if space.enumerable:
            descending = np.pad(descending, (0, max(0, space.num_architectures - len(task))), mode="edge")
        goals = {name: float(descending[max(1, round(part * len(descending))) - 1]) for name, part in GOALS.items()}
        return cls(float(descending[0]), float(np.median(descending)), float(descending[-1]), goals)

    def regret(self, scores: Array) -> Array:
        """Distance to the best score in percent of the way from the median to the best; 0 is the optimum."""
        width = self.best - self.median
        return (self.best - scores) / width * 100 if width > 0 else np.zeros_like(scores)


def best_so_far(runs: Sequence[Array], length: int, worst: float) -> Array:
    """Highest score up to each query ``[runs, length]``.

    Args:
        runs: Scores of each, at most ``length``; NaN where nothing was measured.
        length: Queries; a run that ended early keeps its best.
        worst: Stands before the first measured score.
    """
    found = np.full((len(runs), length), worst)
    for row, scores in zip(found, runs, strict=True):
        row[: len(scores)] = np.where(np.isnan(scores), worst, scores)
    best: Array = np.maximum.accumulate(found, axis=1)
    return best


def incumbents(scores: Array) -> NDArray[np.intp]:
    """Query of the incumbent after each query ``[N]``: the first of the highest scores; -1 before any is measured."""
    known = np.where(np.isnan(scores), -np.inf, scores)
    before = np.maximum.accumulate(np.concatenate([[-np.inf], known[:-1]]))
    newer = np.where(known > before, np.arange(len(known)), -1)
    return np.maximum.accumulate(newer)


def queries_to(scores: Array, goal: float) -> float:
    """Queries until a score of at least ``goal``, infinite if there is none. Every query counts, failed ones too."""
    reached = np.flatnonzero(scores >= goal)
    return float(reached[0] + 1) if len(reached) else np.inf
