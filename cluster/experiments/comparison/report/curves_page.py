"""Write the curves of a comparison as a page to look around in: a chart a column, and the keys of the methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cluster.experiments.comparison.report.formatting import short
from cluster.experiments.comparison.report.looks import BEST, LOOKS, MOST, TICKS
from cluster.experiments.comparison.summary.summaries import Comparison, Ground, Summary
from cluster.report.charts import Frame
from cluster.report.document import document, section
from cluster.report.html import Html, tag
from cluster.report.methods.curves import Curve, curves_chart, keys_of_methods, moments_tip
from cluster.report.methods.intervals import intervals_chart
from cluster.report.methods.looks import Look
from cluster.report.scales import Scale, counts, logarithmic

__all__ = ["curves_page"]

_INTERVALS = (
    "Over all columns of a group, with 95 % intervals of a bootstrap over columns and seeds; lower is better. A run "
    "that did not get to the goal counts as twice the budget. Methods that did not take part on every column are left "
    "out."
)
_CURVES = (
    "A line is the median over seeds of the regret after each query: the distance from the best score so far to the "
    "best of the table, in percent of the distance from the median score. At the bottom, the best architecture is "
    "found."
)
_KEYS = (
    "Choose methods by their keys or lines: their 95 % bootstrap intervals are shown in all charts, and the others "
    "step back. The pointer does so for as long as it is there, and tells the figures. Methods differ in marks and "
    "dashes; those called far know nothing of the CIFAR family."
)
_OVERALL, _GOAL = "overall", "top 0.1 %"


def curves_page(content: Mapping[str, Any], results: Comparison) -> str:
    """Write the page.

    Args:
        content: The comparison as its JSON file holds it.
        results: The summaries.
    """
    looks = {name: LOOKS[name] for name in results.methods}
    overall = _overall(content, results.budget, looks)
    links = [(_anchor(ground), short(ground.column.searched)) for ground in results.grounds]
    if overall is not None:
        links.insert(0, (_OVERALL, "all columns"))
    header = tag(
        "header",
        tag("h1", content["title"]),
        tag("p", _KEYS, class_="note"),
        tag("nav", *(tag("a", text, href=f"#{anchor}") for anchor, text in links)),
    )
    frame = Frame(counts(results.budget), Scale(BEST, MOST, TICKS, log=True))
    charts = [tag("div", _chart(results, ground, frame, looks), id=_anchor(ground)) for ground in results.grounds]
    made = ", ".join(f"{package} {number}" for package, number in content["versions"].items())
    return document(
        content["title"],
        header,
        keys_of_methods(looks),
        overall,
        section("columns", "Column by column", tag("div", *charts, class_="charts"), tag("p", _CURVES, class_="note")),
        tag(
            "footer",
            tag("p", tag("code", content["command"]), class_="place"),
            tag("p", f"{content['machine']['cores']} cores, {made}.", class_="place"),
        ),
    )


def _overall(content: Mapping[str, Any], budget: int, looks: Mapping[str, Look]) -> Html | None:
    """Draw the queries to a goal and the regret at the end of each group of columns; None if no method ran on all."""
    blocks = []
    for group in content["aggregates"]:
        queries = {one["method"]: one["geometric_mean_of_queries"][_GOAL] for one in group["searchers"]}
        regrets = {one["method"]: one["mean_regret"][str(budget)] for one in group["searchers"]}
        if not queries:
            continue
        by_queries = logarithmic([value for interval in queries.values() for value in interval])
        by_regret = counts(max(value for interval in regrets.values() for value in interval))
        charts = (
            intervals_chart(f"{group['title']}: {title}", scale, label, found, looks)
            for title, scale, label, found in (
                (f"queries to the {_GOAL}", by_queries, "queries, geometric mean", queries),
                (f"regret after {budget} queries", by_regret, "mean regret, %", regrets),
            )
        )
        blocks.append(tag("div", *charts, class_="charts"))
    if not blocks:
        return None
    return section(_OVERALL, "Over all columns", *blocks, tag("p", _INTERVALS, class_="note"))


def _chart(results: Comparison, ground: Ground, frame: Frame, looks: Mapping[str, Look]) -> Html:
    found = [results.find(name, ground.column) for name in results.methods]
    curves = [_curve(one, results) for one in found if one is not None]
    return curves_chart(ground.column.searched, frame, ("queries", "median regret, %"), curves, looks)


def _curve(summary: Summary, results: Comparison) -> Curve:
    median, low, high = (getattr(summary.curve, name).tolist() for name in ("median", "low", "high"))
    at = {
        f"after {moment} queries": (median[moment - 1], low[moment - 1], high[moment - 1]) for moment in results.moments
    }
    seeds = "1 run" if summary.seeds == 1 else f"{summary.seeds} seeds"
    return Curve(
        summary.method,
        list(enumerate(median, 1)),
        low if summary.seeds > 1 else (),
        high if summary.seeds > 1 else (),
        steps=True,
        tip=f"median regret of {seeds}, in percent\n{moments_tip(at)}",
    )


def _anchor(ground: Ground) -> str:
    return ground.column.searched.replace("/", "-").replace("@", "-")
