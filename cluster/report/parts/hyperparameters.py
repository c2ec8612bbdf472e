"""Hyperparameters in parallel coordinates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cluster.report.charts import HEIGHT, WIDTH, figure, legend, line_key, svg
from cluster.report.html import Html, tag
from cluster.report.scales import Scale, even, robust
from cluster.report.trials import drawn
from cluster.report.view import RunView, TrialView

__all__ = ["hyperparameters"]

_TOP, _BOTTOM = 42.0, 26.0
_MOST_AXES, _MOST_NAMES = 8, 8
_LOOKS = ("rank-1", "rank-2", "rank-3")


@dataclass(frozen=True)
class _Axis:
    """An axis of the chart.

    Attributes:
        name: Name of the hyperparameter.
        place: Function from a value to its place, from 0 (below) to 1.
        texts: (place, text) of what is written beside it.
    """

    name: str
    place: Callable[[Any], float]
    texts: tuple[tuple[float, str], ...]


def hyperparameters(run: RunView) -> Html:
    """Draw a line for each trial over an axis for each hyperparameter, and one for the metric."""
    trials = [trial for trial in run.ranked if trial.hyperparameters]
    if not trials:
        return tag("p", "This run searches architectures alone: all trials have the same hyperparameters.")
    shown = {trial.number for trial in drawn(run)}
    names = sorted({name for trial in trials for name in trial.hyperparameters})[:_MOST_AXES]
    axes = [_axis(name, [trial.hyperparameters.get(name) for trial in trials]) for name in names]
    axes.append(_of_scale(run.metric, robust(trial.value for trial in trials)))
    across = [46 + place * (WIDTH - 92) / (len(axes) - 1) for place in range(len(axes))]
    shapes = []
    for rank, trial in reversed(list(enumerate(trials))):
        if trial.number in shown:
            look = _LOOKS[rank] if rank < len(_LOOKS) else "others"
            shapes.append(_line(trial, axes, across, look))
    for x, axis in zip(across, axes, strict=True):
        shapes.append(tag("line", x1=x, x2=x, y1=_TOP, y2=HEIGHT - _BOTTOM, class_="axis"))
        shapes.append(tag("text", axis.name, x=x, y=12, class_="middle name"))
        for place, text in axis.texts:
            at = _up(place) + (18 if place == 0 else -6)
            shapes.append(tag("text", text, x=x, y=at, class_="middle"))
    keys = [line_key(look, text) for look, text in zip(_LOOKS, ("best", "second", "third"), strict=True)]
    picture = svg(HEIGHT, *shapes, label="Hyperparameters of all trials with a result")
    return figure("A line is a trial", picture, legend(*keys, line_key("others", "other trials")), wide=True)


def _axis(name: str, values: Sequence[Any]) -> _Axis:
    """Make an axis: of numbers where all are, logarithmic over a hundredfold range; else of categories."""
    given = [value for value in values if value is not None]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in given):
        if min(given) > 0 and max(given) >= 100 * min(given):
            return _of_scale(name, Scale(min(given), max(given), (), log=True))
        return _of_scale(name, even(min(given), max(given), margin=0.0))
    texts = sorted({str(value) for value in given})
    place = {text: (number + 0.5) / len(texts) for number, text in enumerate(texts)}
    shown = texts if len(texts) <= _MOST_NAMES else [texts[0], texts[-1]]
    return _Axis(name, lambda value: place[str(value)], tuple((place[text], text) for text in shown))


def _of_scale(name: str, scale: Scale) -> _Axis:
    return _Axis(name, scale.share, ((0.0, _ending(scale.low)), (1.0, _ending(scale.high))))


def _ending(value: float) -> str:
    return f"{value:.3g}"


def _up(place: float) -> float:
    return HEIGHT - _BOTTOM - place * (HEIGHT - _TOP - _BOTTOM)


def _line(trial: TrialView, axes: Sequence[_Axis], across: Sequence[float], look: str) -> Html:
    path = ""
    values = [*(trial.hyperparameters.get(axis.name) for axis in axes[:-1]), trial.value]
    for x, value, axis in zip(across, values, axes, strict=True):
        if value is not None:
            path += f"{'L' if path else 'M'}{x:.1f},{_up(axis.place(value)):.1f}"
    return tag("path", d=path, class_=f"line {look}", data_t=trial.number)
