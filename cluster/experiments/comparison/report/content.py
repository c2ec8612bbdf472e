"""The JSON file of a comparison: all that its page and pictures show, and back from it to the summaries."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.experiments.comparison.config import ComparisonConfig
from cluster.experiments.comparison.presets import Column
from cluster.experiments.comparison.summary.measures import Scale
from cluster.experiments.comparison.summary.overall import Overall, overall_of
from cluster.experiments.comparison.summary.summaries import Comparison, Curve, Ground, Summary
from cluster.work.provenance import machine, versions
from mpnas_ray.stats import Interval

__all__ = ["comparison_of", "content_of"]

_DIGITS, _DIGITS_OF_CURVES = 7, 5
"""Significant digits of a figure, so that pages written from the file show the same as those of the computation, and of
a point of a curve, which is only drawn.
"""


def content_of(config: ComparisonConfig, results: Comparison) -> dict[str, Any]:
    """Write a comparison in values that JSON can hold, with the command, the versions and the machine."""
    return {
        "comparison": f"compare-{config.preset.name}",
        "title": config.preset.title,
        "command": config.command,
        "versions": versions(),
        "machine": machine(),
        "seeds": config.seeds,
        "budget": results.budget,
        "regret": "percent of the distance between best and median score; low and high: 95 % bootstrap interval",
        "columns": [_of_ground(ground) for ground in results.grounds],
        "aggregates": [_of_overall(overall) for overall in overall_of(results)],
        "figures": [_of_summary(summary) for summary in results.every],
    }


def comparison_of(content: Mapping[str, Any]) -> Comparison:
    """Read the summaries from what `content_of` wrote; figures have its number of digits.

    Raises:
        KeyError, TypeError, ValueError: If it is of another form.
    """
    return Comparison(
        tuple(_ground(column) for column in content["columns"]),
        tuple(_summary(figures) for figures in content["figures"]),
        content["budget"],
    )


def _of_ground(ground: Ground) -> dict[str, Any]:
    column = {**asdict(ground.column), "role": ground.column.role}
    return {**column, **asdict(ground.scale), "unit": ground.unit, "perfect": ground.perfect}


def _ground(column: Mapping[str, Any]) -> Ground:
    return Ground(
        Column(**{field.name: column[field.name] for field in fields(Column)}),
        Scale(**{field.name: column[field.name] for field in fields(Scale)}),
        column["unit"],
        column["perfect"],
    )


def _of_overall(overall: Overall) -> dict[str, Any]:
    def intervals(of_name: Mapping[Any, Interval]) -> dict[str, list[float | None]]:
        return {str(name): _of_interval(one) for name, one in of_name.items()}

    return {
        "title": overall.title,
        "columns": list(overall.columns),
        "searchers": [
            {
                "method": one.method,
                "geometric_mean_of_queries": intervals(one.queries),
                "mean_regret": intervals(one.regret),
                "worst_ratio_to_the_best_rival": {
                    measure: [*_of_interval(worst.ratio), worst.column] for measure, worst in one.worst.items()
                },
                "share_of_columns_within_a_factor_of_the_best": {
                    goal: intervals(shares) for goal, shares in one.profiles.items()
                },
            }
            for one in overall.standings
        ],
        "pairs": [
            {
                "method": pair.method,
                "rival": pair.rival,
                "columns": pair.num_columns,
                "ratio_of_queries": intervals(pair.ratios),
                "difference_of_mean_regret": intervals(pair.differences),
            }
            for pair in overall.pairs
        ],
    }


def _of_summary(summary: Summary) -> dict[str, Any]:
    return {
        "method": summary.method,
        "searched": summary.searched,
        "seeds": summary.seeds,
        "queries": {goal: [_plain(value) for value in values] for goal, values in summary.queries.items()},
        "median_queries": {goal: _plain(summary.median_queries(goal)) for goal in summary.queries},
        "regrets": {moment: _rounded(regrets) for moment, regrets in summary.regrets.items()},
        "mean_regret": {moment: _of_interval(regret) for moment, regret in summary.regret.items()},
        "mean_regret_in_units_of_score": {
            moment: _of_interval(regret) for moment, regret in summary.units_of_regret.items()
        },
        "mean_found": _of_interval(summary.found),
        "curve": {name: _rounded(getattr(summary.curve, name), _DIGITS_OF_CURVES) for name in _CURVE},
        "seconds": _plain(summary.seconds),
        "failures": summary.failures,
    }


_CURVE = tuple(field.name for field in fields(Curve))


def _summary(figures: Mapping[str, Any]) -> Summary:
    def by_moment(name: str) -> dict[int, Any]:
        return {int(moment): value for moment, value in figures[name].items()}

    return Summary(
        method=figures["method"],
        searched=figures["searched"],
        seeds=figures["seeds"],
        queries={
            goal: tuple(math.inf if value is None else value for value in values)
            for goal, values in figures["queries"].items()
        },
        regrets={moment: tuple(_numbers(values)) for moment, values in by_moment("regrets").items()},
        regret={moment: _interval(values) for moment, values in by_moment("mean_regret").items()},
        units_of_regret={
            moment: _interval(values) for moment, values in by_moment("mean_regret_in_units_of_score").items()
        },
        found=_interval(figures["mean_found"]),
        curve=Curve(**{name: np.array(_numbers(figures["curve"][name])) for name in _CURVE}),
        seconds=figures["seconds"],
        failures=figures["failures"],
    )


def _of_interval(interval: Interval) -> list[float | None]:
    """Return value, low and high."""
    return _rounded((interval.value, interval.low, interval.high))


def _interval(values: Sequence[float | None]) -> Interval:
    return Interval(*_numbers(values))


def _rounded(values: Sequence[float] | NDArray[np.float64], digits: int = _DIGITS) -> list[float | None]:
    return [_plain(value, digits) for value in values]


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def _plain(value: float, digits: int = _DIGITS) -> float | None:
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None
