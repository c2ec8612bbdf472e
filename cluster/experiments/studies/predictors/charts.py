"""Charts of the predictor study for its page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from cluster.experiments.studies.predictors.methods import META_LEARNED, METHODS
from cluster.experiments.studies.predictors.page import Group, groups_of
from cluster.experiments.studies.predictors.results import Results
from cluster.report.charts import Frame, chart, figure
from cluster.report.html import Html, tag
from cluster.report.methods.curves import Curve, curves_chart, keys_of_methods, mark_of_look
from cluster.report.methods.looks import Look, looks_of, numbers_of
from cluster.report.scales import Scale, even, logarithmic

__all__ = ["TIMED_AT", "charts", "fitted_methods"]

TIMED_AT = 50
"""Architectures of the training set for which times are shown, if there is such a set."""

_LEAST_SECONDS = 1e-6


def charts(results: Results) -> list[Html]:
    """Draw for each group of targets tau against training architectures, and the time of fit and query."""
    groups = [group for group in groups_of(results) if group.sizes]
    names = fitted_methods(results, groups)
    looks = looks_of(names, focus=META_LEARNED if META_LEARNED in names else None)
    drawn = [
        picture for group in groups for picture in (_ranking(results, group, looks), _times(results, group, looks))
    ]
    note = "Methods differ in their marks and dashes. Choose some by their keys; the pointer tells names and figures."
    return [
        keys_of_methods(looks),
        tag("section", tag("div", *drawn, class_="charts"), tag("p", note, class_="note")),
    ]


def fitted_methods(results: Results, groups: Sequence[Group]) -> list[str]:
    """List the methods that are fitted to measured architectures, in the order of the study."""
    everyone = list(dict.fromkeys(name for group in groups for name in results.methods(group.targets)))
    return [name for name in everyone if METHODS[name].kind == "predictor"]


def _ranking(results: Results, group: Group, looks: Mapping[str, Look]) -> Html:
    curves = []
    for name in looks:
        found = [results.estimate(name, group.targets, size) for size in group.sizes]
        means = [math.nan if one is None else one.mean for one in found]
        errors = [0.0 if one is None else one.standard_error or 0.0 for one in found]
        if not np.isfinite(means).any():
            continue
        told = [
            f"{size} architectures: {m:.3f}" for size, m in zip(group.sizes, means, strict=True) if math.isfinite(m)
        ]
        low, high = ([m + side * e for m, e in zip(means, errors, strict=True)] for side in (-1, 1))
        curves.append(
            Curve(name, list(zip(map(float, group.sizes), means, strict=True)), low, high, tip="\n".join(told))
        )
    ends = [end for curve in curves for end in (*curve.low, *curve.high) if math.isfinite(end)]
    ticks = tuple((float(size), str(size)) for size in group.sizes)
    frame = Frame(Scale(0.85 * group.sizes[0], 1.15 * group.sizes[-1], ticks, log=True), even(min(ends), max(ends)))
    return curves_chart(group.title, frame, ("training architectures", "Kendall's tau"), curves, looks)


def _times(results: Results, group: Group, looks: Mapping[str, Look]) -> Html:
    size = TIMED_AT if TIMED_AT in group.sizes else group.sizes[-1]
    found = {
        name: (max(fit, _LEAST_SECONDS), max(query, _LEAST_SECONDS) * 1e6)
        for name in looks
        if (seconds := results.seconds(name, group.targets, size)) is not None
        for fit, query in [seconds]
    }
    frame = Frame(logarithmic([fit for fit, _ in found.values()]), logarithmic([query for _, query in found.values()]))
    marks = [
        tag(
            "g",
            mark_of_look(looks[name], frame.across(fit), frame.up(query)),
            class_=looks[name].classes,
            data_t=numbers_of(looks)[name],
            data_tip=f"{name}\nfit {fit:.3g} s, a query {query:.3g} µs",
        )
        for name in looks
        for fit, query in [found.get(name, (math.nan, math.nan))]
        if math.isfinite(fit)
    ]
    title = f"{group.title}: time of {size} architectures"
    return figure(title, chart(frame, "CPU seconds of the fit", "CPU microseconds of a query", marks, label=title))
