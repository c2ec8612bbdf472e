"""Write the files of a comparison: JSON with all figures, a page and pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.experiments.comparison.report.interactive import interactive_page
from cluster.experiments.comparison.report.page import page_of
from cluster.experiments.comparison.report.plots import save_curves
from cluster.experiments.comparison.summary.overall import Overall, overall_of
from cluster.experiments.comparison.summary.summaries import Comparison, Curve, Ground, Summary
from cluster.pages.markdown import wrapped
from cluster.pages.result_json import result_json
from cluster.work.provenance import machine, versions
from mpnas_ray.files.atomic import write_atomic
from mpnas_ray.stats import Interval

__all__ = ["write_files"]

_DIGITS = 5
"""Significant digits of a figure: no more are known of any."""


def write_files(name: str, title: str, command: str, seeds: int, results: Comparison, folder: Path) -> list[Path]:
    """Write ``<folder>/<name>`` as ``.json``, ``.md``, ``.png`` and ``.html``, each whole.

    Args:
        name: Name of the files.
        title: Title of the page.
        command: Command that makes them again.
        seeds: Most runs of a method on a column.
        results: All summaries.
        folder: Folder of the files.
    """
    content = {
        "comparison": name,
        "title": title,
        "command": command,
        "versions": versions(),
        "machine": machine(),
        "seeds": seeds,
        "budget": results.budget,
        "regret": "percent of the distance between best and median score; low and high: 95 % bootstrap interval",
        "columns": [_of_ground(ground) for ground in results.grounds],
        "aggregates": [_of_overall(overall) for overall in overall_of(results)],
        "figures": [_of_summary(summary) for summary in results.every],
    }
    made = ", ".join(f"{package} {number}" for package, number in versions().items())
    page = (
        f"# {title}\n\n`{command}`, {machine()['cores']} cores, {made}. All figures and curves are in "
        f"[{name}.json]({name}.json); [{name}.html]({name}.html) shows the curves one by one.\n\n"
        f"![Regret against queries]({name}.png)\n\n{page_of(results)}"
    )
    write_atomic(folder / f"{name}.json", result_json(content))
    write_atomic(folder / f"{name}.md", wrapped(page))
    write_atomic(folder / f"{name}.html", interactive_page(title, results))
    save_curves(results, folder / f"{name}.png")
    return [folder / f"{name}.{ending}" for ending in ("json", "md", "png", "html")]


def _of_ground(ground: Ground) -> dict[str, Any]:
    column = {**asdict(ground.column), "role": ground.column.role}
    return {**column, **asdict(ground.scale), "unit": ground.unit, "perfect": ground.perfect}


def _of_overall(overall: Overall) -> dict[str, Any]:
    def intervals(of_name: Mapping[Any, Interval]) -> dict[str, list[float | None]]:
        return {str(name): _of_interval(one) for name, one in of_name.items()}

    return {
        "title": overall.title,
        "columns": list(overall.columns),
        "searchers": [
            {
                "contestant": one.method,
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
                "contestant": pair.method,
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
        "contestant": summary.method,
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
        "curve": _of_curve(summary.curve),
        "seconds": _plain(summary.seconds),
        "failures": summary.failures,
    }


def _of_curve(curve: Curve) -> dict[str, list[float | None]]:
    return {name: _rounded(getattr(curve, name)) for name in ("median", "low", "high", "mean")}


def _of_interval(interval: Interval) -> list[float | None]:
    """Return value, low and high."""
    return _rounded((interval.value, interval.low, interval.high))


def _rounded(values: Sequence[float] | NDArray[np.float64]) -> list[float | None]:
    return [_plain(value) for value in values]


def _plain(value: float) -> float | None:
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
