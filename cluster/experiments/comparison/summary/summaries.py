"""Summarise the replications of each method on each column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.experiments.comparison.methods import METHODS
from cluster.experiments.comparison.presets import Column
from cluster.experiments.comparison.replications import Result
from cluster.experiments.comparison.summary.measures import (
    GOALS,
    Scale,
    best_so_far,
    incumbents,
    queries_to,
)
from mpnas_ray.stats import Interval, bootstrap_interval, bootstrap_intervals
from mpnas_ray.tables import TableTask

__all__ = ["Comparison", "Curve", "Ground", "Summary", "ground_of", "summary_of"]


@dataclass(frozen=True, eq=False)
class Curve:
    """Regret in percent (`Scale.regret`) after each query, float64 ``[budget]``.

    Attributes:
        median: Over seeds.
        low: Lower end of the median's 95 % bootstrap interval.
        high: Upper end.
        mean: Over seeds.
    """

    median: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    mean: NDArray[np.float64]


@dataclass(frozen=True)
class Ground:
    """The task of a column: its scale, and its best cell.

    Attributes:
        column: The column.
        scale: Scale of the searched scores.
        unit: Unit of the reported values.
        perfect: The reported value of the cell with the highest searched score.
    """

    column: Column
    scale: Scale
    unit: str
    perfect: float


@dataclass(frozen=True, eq=False)
class Summary:
    """The summary of a method's replications on a column.

    Attributes:
        method: Name of the method.
        searched: The column's searched task.
        seeds: Number of runs.
        queries: Goal -> queries to it of each run, infinite where it was not reached.
        regrets: Queries -> regret in percent of each run.
        regret: Queries -> mean regret in percent.
        units_of_regret: Queries -> mean regret in units of the searched score.
        found: Reported value of the incumbent at the end, mean.
        curve: Regret after each query.
        seconds: CPU seconds of a replication, mean.
        failures: Failures inside the searcher, all replications together (`replications.Result`).
    """

    method: str
    searched: str
    seeds: int
    queries: dict[str, tuple[float, ...]]
    regrets: dict[int, tuple[float, ...]]
    regret: dict[int, Interval]
    units_of_regret: dict[int, Interval]
    found: Interval
    curve: Curve
    seconds: float
    failures: int

    def median_queries(self, goal: str) -> float:
        """Infinite where half of the runs did not reach the goal."""
        ordered = np.sort(self.queries[goal])
        middle = len(ordered) // 2
        return float(ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2)


@dataclass(frozen=True, eq=False)
class Comparison:
    """All summaries of a comparison.

    Attributes:
        grounds: Columns of the comparison, in their order.
        every: Summaries of methods on columns.
        budget: Queries of a run.
    """

    grounds: tuple[Ground, ...]
    every: tuple[Summary, ...]
    budget: int

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods that took part anywhere, in the order of tables."""
        there = {summary.method for summary in self.every}
        return tuple(name for name in METHODS if name in there)

    @property
    def moments(self) -> tuple[int, ...]:
        """Queries at which regrets are shown."""
        return moments(self.budget)

    def find(self, method: str, column: Column) -> Summary | None:
        """Return the summary of one method on one column; None if it did not take part."""
        return next((one for one in self.every if (one.method, one.searched) == (method, column.searched)), None)


def moments(budget: int) -> tuple[int, ...]:
    """Return 20, 50, 100 and the budget, as far as it goes."""
    return (*(queries for queries in (20, 50, 100) if queries < budget), budget)


def ground_of(column: Column, tasks: Mapping[str, TableTask]) -> Ground:
    """Return the ground of a column, from its tables.

    Raises:
        TableError: If the reported task has not measured the best cell.
    """
    searched, reported = tasks[column.searched], tasks[column.reported]
    best = searched.archs[int(np.argmax(searched.scores))]
    return Ground(column, Scale.of(searched), reported.unit, reported.value_of(best))


def summary_of(method: str, ground: Ground, runs: Sequence[Result], budget: int) -> Summary:
    """Summarise the replications of one method on one column; the same ones always give the same intervals."""
    rng = np.random.default_rng(0)
    scale = ground.scale
    best = best_so_far([run.scores for run in runs], budget, scale.worst)
    regret = scale.regret(best)
    at = [(queries, regret[:, queries - 1], scale.best - best[:, queries - 1]) for queries in moments(budget)]
    found = np.array([_found(run) for run in runs])
    known = found[~np.isnan(found)]
    return Summary(
        method=method,
        searched=ground.column.searched,
        seeds=len(runs),
        queries={name: tuple(queries_to(run.scores, scale.goals[name]) for run in runs) for name in GOALS},
        regrets={queries: tuple(percent.tolist()) for queries, percent, _ in at},
        regret={queries: bootstrap_interval(percent, statistic=np.mean, rng=rng) for queries, percent, _ in at},
        units_of_regret={queries: bootstrap_interval(units, statistic=np.mean, rng=rng) for queries, _, units in at},
        found=bootstrap_interval(known, statistic=np.mean, rng=rng) if len(known) else _NOTHING,
        curve=Curve(*bootstrap_intervals(regret, statistic=np.median, rng=rng), mean=regret.mean(axis=0)),
        seconds=float(np.mean([run.seconds for run in runs])),
        failures=sum(run.failures for run in runs),
    )


_NOTHING = Interval(np.nan, np.nan, np.nan)


def _found(run: Result) -> float:
    """Return the reported value of the last incumbent; NaN if there is none."""
    incumbent = int(incumbents(run.scores)[-1])
    return float(run.reported[incumbent]) if incumbent >= 0 else np.nan
