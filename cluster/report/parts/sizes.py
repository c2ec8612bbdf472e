"""Score against each cost, with the Pareto front of the two."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cluster.report.charts import Frame, chart, figure, line_key
from cluster.report.html import Html, tag
from cluster.report.scales import logarithmic, robust
from cluster.report.trials import drawn, mark_of, trials_legend
from cluster.report.view import RunView, TrialView, as_score
from searchers.model_based.objectives.front import front_rows

__all__ = ["front_of", "fronts", "sizes"]

_PARAMETERS = "parameters"
_LABELS = {_PARAMETERS: "trainable parameters", "flops": "multiply-adds", "latency_ms": "latency in ms"}


def sizes(run: RunView) -> Html:
    """Draw the metric by the number of parameters, and by each other cost that the search minimises."""
    return fronts(run, tuple(dict.fromkeys((_PARAMETERS, *run.costs))))


def fronts(run: RunView, costs: Sequence[str]) -> Html:
    """Draw the metric by each of these costs."""
    drawn_fronts = [_front(run, name) for name in costs]
    return drawn_fronts[0] if len(drawn_fronts) == 1 else tag("div", *drawn_fronts)


def _front(run: RunView, name: str) -> Html:
    known = [trial for trial in run.trials if trial.counts and _cost(trial, name) > 0]
    label = _LABELS.get(name, name)
    if not known:
        said = "its number of parameters" if name == _PARAMETERS else name
        return tag("p", f"No trial has reported {said} and a finite value yet.")
    shown = {trial.number for trial in drawn(run)}
    frame = Frame(logarithmic([_cost(trial, name) for trial in known]), robust(trial.value for trial in known), 340.0)
    front = front_of(known, run.mode, name)
    steps = [(_cost(trial, name), trial.value) for trial in front]
    steps.append((frame.x.high, front[-1].value))
    best = run.best_number
    marks = [
        mark_of(frame, trial, _cost(trial, name), trial.value, best=trial.number == best)
        for trial in sorted(known, key=lambda trial: trial.number == best)  # above all others
        if trial.number in shown
    ]
    content = [frame.line(steps, "so-far", steps=True), *marks]
    cheaper = "smaller" if name == _PARAMETERS else "cheaper"
    key = line_key("so-far", f"Pareto front: nothing {cheaper} is better")
    of_label = "number of parameters" if name == _PARAMETERS else label
    return figure(
        f"{run.metric} and {_PARAMETERS if name == _PARAMETERS else label}",
        chart(frame, label, run.metric, content, label=f"{run.metric} by {of_label}"),
        trials_legend(known, key, best=best is not None),
        wide=True,
    )


def front_of(trials: Sequence[TrialView], mode: str | None, name: str = _PARAMETERS) -> list[TrialView]:
    """Return the trials of which no cheaper or equally cheap one has a better or equal value, the cheapest first.

    Args:
        trials: Trials with a finite value.
        mode: ``min`` or ``max``; None counts as ``max``.
        name: Name of the cost.
    """
    points = [[as_score(trial.value, mode), -_cost(trial, name)] for trial in trials]
    return [trials[row] for row in front_rows(points)[::-1]] if points else []


def _cost(trial: TrialView, name: str) -> float:
    """Return a cost of a trial; NaN if it is not known."""
    if name == _PARAMETERS and trial.parameters is not None:
        return float(trial.parameters)
    return trial.costs.get(name, math.nan)
