"""Summarise searchers over all columns of a comparison, by `aggregates`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.experiments.comparison.methods import METHODS, OURS
from cluster.experiments.comparison.summary.aggregates import (
    capped,
    geometric_mean,
    mean,
    profile,
    ratios_to_best_rival,
    worst_ratio,
)
from cluster.experiments.comparison.summary.summaries import Comparison, Ground, Summary
from mpnas_ray.stats import Interval, column_means, two_stage_interval, two_stage_intervals

__all__ = ["AGGREGATED_GOALS", "FACTORS", "Overall", "PairOfSearchers", "Standing", "WorstRatio", "overall_of"]

AGGREGATED_GOALS = ("top 0.1 %", "top 1 %")
FACTORS = (1.0, 1.5, 2.0, 4.0)
"""Factors of the best result, for performance profiles."""

_RATIO_OF_REGRET_AT = 50

Array = NDArray[np.float64]


@dataclass(frozen=True)
class WorstRatio:
    """The distance of a searcher from the best of its rivals, where it is furthest behind.

    Attributes:
        ratio: 1 or less if it is first on every column; infinite if a rival has no regret there and it has.
        column: The searched task of that column.
    """

    ratio: Interval
    column: str


@dataclass(frozen=True)
class Standing:
    """A searcher over columns.

    Attributes:
        method: Name of the searcher.
        queries: Goal -> geometric mean of queries to it; a run that did not get there counts as twice the budget.
        regret: Queries -> mean regret in percent.
        worst: Goal, or ``regret at 50`` -> worst ratio to the best rival; empty if there is no rival.
        profiles: Goal -> factor -> share of columns, in percent, within this factor of the fewest queries to it; not
            those where none of its runs got there.
    """

    method: str
    queries: dict[str, Interval]
    regret: dict[int, Interval]
    worst: dict[str, WorstRatio]
    profiles: dict[str, dict[float, Interval]]


@dataclass(frozen=True)
class PairOfSearchers:
    """Two searchers on the columns that both searched, on the same seeds where both ran them.

    Attributes:
        method: The one.
        rival: The other.
        num_columns: Number of columns that both searched.
        ratios: Goal -> ratio of their geometric means of queries; below 1 where the rival needs more.
        differences: Queries -> difference of their mean regrets in percent; below 0 where the rival's is larger.
    """

    method: str
    rival: str
    num_columns: int
    ratios: dict[str, Interval]
    differences: dict[int, Interval]


@dataclass(frozen=True)
class Overall:
    """The searchers over a group of columns.

    Attributes:
        title: Name of the group.
        columns: Searched tasks.
        standings: Standings of the searchers that took part on every column.
        pairs: Ours, or the first searcher if ours is not there, against each other.
    """

    title: str
    columns: tuple[str, ...]
    standings: tuple[Standing, ...]
    pairs: tuple[PairOfSearchers, ...]


def overall_of(results: Comparison) -> tuple[Overall, ...]:
    """Summarise each group of columns: those to decide by, blind ones, and the CIFAR family for searchers from far.

    A searcher from far is compared with none that knows the tables nearby, as in
    `cluster.experiments.comparison.report.pairwise`.
    """
    near = [name for name in results.methods if not METHODS[name].far]
    far = [name for name in results.methods if METHODS[name].far or not METHODS[name].transfers]
    decide = [ground for ground in results.grounds if ground.column.role != "blind"]
    blind = [ground for ground in results.grounds if ground.column.role == "blind"]
    family = [ground for ground in decide if any(results.find(name, ground.column) for name in far if _is_far(name))]
    groups = (
        ("All columns but blind ones" if blind else "All columns", near, decide),
        ("Blind columns, to decide nothing by", near, blind),
        ("The CIFAR family, searchers that know nothing of it", far, family),
    )
    return tuple(_Group(results, names, grounds).overall(title) for title, names, grounds in groups if grounds)


def _is_far(name: str) -> bool:
    return METHODS[name].far


class _Group:
    """The replications of some searchers on some columns, as arrays ``[searchers, columns, seeds]``."""

    def __init__(self, results: Comparison, names: Sequence[str], grounds: Sequence[Ground]) -> None:
        found = {name: [results.find(name, ground.column) for ground in grounds] for name in names}
        self._found = {name: summary for name, summary in found.items() if any(summary)}
        self._columns = tuple(ground.column.searched for ground in grounds)
        self._budget, self._moments = results.budget, results.moments
        self._seeds = max((one.seeds for summary in self._found.values() for one in summary if one), default=1)

    def overall(self, title: str) -> Overall:
        complete = [name for name, summary in self._found.items() if all(summary)]
        ours = next((name for name in OURS if name in self._found), next(iter(self._found), None))
        rivals = [name for name in self._found if name != ours]
        pairs = [self._pair(ours, rival) for rival in rivals] if ours is not None else []
        return Overall(
            title, self._columns, self._standings(complete), tuple(pair for pair in pairs if pair is not None)
        )

    def _array(self, names: Sequence[str], of_run: Callable[[Summary], Sequence[float]]) -> Array:
        """Return one number a replication; NaN where a seed was not run. One without a seed did the same with all."""
        values = np.full((len(names), len(self._columns), self._seeds), np.nan)
        for row, name in zip(values, names, strict=True):
            for cells, summary in zip(row, self._found[name], strict=True):
                if summary is not None:
                    runs = of_run(summary)
                    cells[: len(runs)] = runs
                    if not METHODS[name].seeded:
                        cells[:] = runs[0]
        return values

    def _logarithms(self, names: Sequence[str], goal: str) -> Array:
        return np.log(capped(self._array(names, lambda summary: summary.queries[goal]), self._budget))

    def _regrets(self, names: Sequence[str], moment: int) -> Array:
        return self._array(names, lambda summary: summary.regrets[moment])

    def _standings(self, names: Sequence[str]) -> tuple[Standing, ...]:
        worst, profiles = self._worst(names), self._profiles(names)
        return tuple(
            Standing(
                method=name,
                queries={goal: _own(self._logarithms([name], goal), geometric_mean) for goal in AGGREGATED_GOALS},
                regret={moment: _own(self._regrets([name], moment), mean) for moment in self._moments},
                worst={measure: ratios[position] for measure, ratios in worst.items()},
                profiles={goal: shares[position] for goal, shares in profiles.items()},
            )
            for position, name in enumerate(names)
        )

    def _worst(self, names: Sequence[str]) -> dict[str, list[WorstRatio]]:
        if len(names) < 2:
            return {}
        found = {goal: self._worst_of(self._logarithms(names, goal), np.exp) for goal in AGGREGATED_GOALS}
        if _RATIO_OF_REGRET_AT in self._moments:
            regrets = self._regrets(names, _RATIO_OF_REGRET_AT)
            found[f"regret at {_RATIO_OF_REGRET_AT}"] = self._worst_of(regrets, np.asarray)
        return found

    def _worst_of(self, values: Array, unit: Callable[[Array], Array]) -> list[WorstRatio]:
        """Take the figures by column in units in which they have a ratio."""
        columns = ratios_to_best_rival(unit(column_means(values))).argmax(axis=-1)
        intervals = _each(values, lambda by_column: worst_ratio(unit(by_column)))
        return [WorstRatio(one, self._columns[column]) for one, column in zip(intervals, columns, strict=True)]

    def _profiles(self, names: Sequence[str]) -> dict[str, list[dict[float, Interval]]]:
        found: dict[str, list[dict[float, Interval]]] = {}
        for goal in AGGREGATED_GOALS if names else ():
            values = self._logarithms(names, goal)
            shares = two_stage_intervals(
                values,
                lambda logarithms: 100 * profile(np.exp(logarithms), np.array(FACTORS), 2.0 * self._budget),
                np.random.default_rng(0),
            )
            found[goal] = [
                {
                    factor: Interval(*map(float, one))
                    for factor, one in zip(FACTORS, zip(*of_one, strict=True), strict=True)
                }
                for of_one in zip(*shares, strict=True)
            ]
        return found

    def _pair(self, ours: str, rival: str) -> PairOfSearchers | None:
        """Compare two searchers; None if there is no column that both searched."""
        common = [bool(a and b) for a, b in zip(self._found[ours], self._found[rival], strict=True)]
        if not any(common):
            return None

        def ratio(by_column: Array) -> Array:
            return geometric_mean(by_column[..., 0, :] - by_column[..., 1, :])

        def difference(by_column: Array) -> Array:
            return mean(by_column[..., 0, :] - by_column[..., 1, :])

        both = (ours, rival)
        return PairOfSearchers(
            ours,
            rival,
            sum(common),
            {goal: _one(self._logarithms(both, goal)[:, common], ratio) for goal in AGGREGATED_GOALS},
            {moment: _one(self._regrets(both, moment)[:, common], difference) for moment in self._moments},
        )


def _one(values: Array, statistic: Callable[[Array], Array]) -> Interval:
    """Compute the interval of a number; the same replications always give the same one."""
    return two_stage_interval(values, statistic, np.random.default_rng(0))


def _own(values: Array, statistic: Callable[[Array], Array]) -> Interval:
    """Take one searcher alone, so that the others that took part change nothing."""
    return _one(values, lambda by_column: statistic(by_column)[..., 0])


def _each(values: Array, statistic: Callable[[Array], Array]) -> list[Interval]:
    of_all = two_stage_intervals(values, statistic, np.random.default_rng(0))
    return [Interval(*map(float, one)) for one in zip(*of_all, strict=True)]
