"""Score against the number of parameters, with the Pareto front."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cluster.report.charts import Frame, chart, figure, line_key
from cluster.report.html import Html, tag
from cluster.report.scales import logarithmic, robust
from cluster.report.trials import drawn, mark_of, trials_legend
from cluster.report.view import RunView, TrialView, as_score

__all__ = ["front_of", "sizes"]


def sizes(run: RunView) -> Html:
    """Draw the metric by the number of parameters."""
    known = [trial for trial in run.trials if trial.parameters and trial.counts]
    if not known:
        return tag("p", "No trial has reported its number of parameters and a finite value yet.")
    shown = {trial.number for trial in drawn(run)}
    frame = Frame(
        logarithmic([float(trial.parameters or 1) for trial in known]), robust(trial.value for trial in known), 340.0
    )
    front = front_of(known, run.mode)
    steps = [(float(trial.parameters or 1), trial.value) for trial in front]
    steps.append((frame.x.high, front[-1].value))
    best = run.best_number
    marks = [
        mark_of(frame, trial, float(trial.parameters or 1), trial.value, best=trial.number == best)
        for trial in sorted(known, key=lambda trial: trial.number == best)  # above all others
        if trial.number in shown
    ]
    content = [frame.line(steps, "so-far", steps=True), *marks]
    key = line_key("so-far", "Pareto front: nothing smaller is better")
    return figure(
        f"{run.metric} and parameters",
        chart(frame, "trainable parameters", run.metric, content, label=f"{run.metric} by number of parameters"),
        trials_legend(known, key, best=best is not None),
        wide=True,
    )


def front_of(trials: Sequence[TrialView], mode: str | None) -> list[TrialView]:
    """Return the trials of which no smaller or equal one has a better or equal value, the smallest first."""
    front: list[TrialView] = []
    best = -math.inf
    for trial in sorted(trials, key=lambda trial: (trial.parameters or 0, -as_score(trial.value, mode))):
        if as_score(trial.value, mode) > best:
            front.append(trial)
            best = as_score(trial.value, mode)
    return front
