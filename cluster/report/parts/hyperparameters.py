"""Hyperparameters in parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from cluster.report.charts import HEIGHT, WIDTH, figure, legend, line_key, svg
from cluster.report.html import Html, number, tag
from cluster.report.scales import robust
from cluster.report.trials import drawn
from cluster.report.view import RunView, TrialView

__all__ = ["hyperparameters"]

_TOP, _BOTTOM = 34.0, 24.0
_MOST_AXES = 8
_LOOKS = ("rank-1", "rank-2", "rank-3")

Axis = tuple[str, Callable[[Any], float], tuple[str, str]]
"""Name, function from a value to its place from 0 (below) to 1, and the texts at both ends."""


def hyperparameters(run: RunView) -> Html:
    """Draw a line for each trial over an axis for each hyperparameter, and one for the metric."""
    trials = [trial for trial in run.ranked if trial.hyperparameters]
    if not trials:
        return tag("p", "This run searches architectures alone: all trials have the same hyperparameters.")
    shown = {trial.number for trial in drawn(run)}
    names = sorted({name for trial in trials for name in trial.hyperparameters})[:_MOST_AXES]
    axes = [_axis(name, [trial.hyperparameters.get(name) for trial in trials]) for name in names]
    axes.append(_axis(run.metric, [trial.value for trial in trials]))
    across = [46 + place * (WIDTH - 92) / (len(axes) - 1) for place in range(len(axes))]
    shapes = []
    for rank, trial in reversed(list(enumerate(trials))):
        if trial.number in shown:
            look = _LOOKS[rank] if rank < len(_LOOKS) else "others"
            shapes.append(_line(trial, axes, across, look))
    for x, (name, _, (low, high)) in zip(across, axes, strict=True):
        shapes.append(tag("line", x1=x, x2=x, y1=_TOP, y2=HEIGHT - _BOTTOM, class_="axis"))
        shapes.append(tag("text", name, x=x, y=14, class_="middle name"))
        shapes.append(tag("text", high, x=x, y=_TOP - 6, class_="middle"))
        shapes.append(tag("text", low, x=x, y=HEIGHT - 6, class_="middle"))
    keys = [line_key(look, text) for look, text in zip(_LOOKS, ("best", "second", "third"), strict=True)]
    picture = svg(HEIGHT, *shapes, label="Hyperparameters of all trials with a result")
    return figure("A line is a trial", picture, legend(*keys, line_key("others", "other trials")), wide=True)


def _axis(name: str, values: Sequence[Any]) -> Axis:
    """Make an axis: of numbers where all are, logarithmic over a hundredfold range; else of categories."""
    given = [value for value in values if value is not None]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in given):
        low, high = min(given), max(given)
        if low > 0 and high / low >= 100:
            span = math.log(high / low)
            return name, lambda value: math.log(value / low) / span, (number(low), number(high))
        scale = robust(given)
        return name, scale.share, (number(scale.low), number(scale.high))
    texts = sorted({str(value) for value in given})
    place = {text: (number + 0.5) / len(texts) for number, text in enumerate(texts)}
    return name, lambda value: place[str(value)], (texts[0], texts[-1] if len(texts) > 1 else "")


def _line(trial: TrialView, axes: Sequence[Axis], across: Sequence[float], look: str) -> Html:
    path = ""
    values = [*(trial.hyperparameters.get(name) for name, _, _ in axes[:-1]), trial.value]
    for x, value, (_, place, _) in zip(across, values, axes, strict=True):
        if value is not None:
            y = HEIGHT - _BOTTOM - place(value) * (HEIGHT - _TOP - _BOTTOM)
            path += f"{'L' if path else 'M'}{x:.1f},{y:.1f}"
    return tag("path", d=path, class_=f"line {look}", data_t=trial.number)
