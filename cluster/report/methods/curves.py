"""Curves of methods in many charts, one page for all: a method is found again in every chart.

Bands would hide each other, so a band is shown only while the pointer is on its method, or after the method was chosen
by its key above the charts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cluster.report.charts import Frame, chart, figure
from cluster.report.html import Html, tag
from cluster.report.methods.looks import Look, numbers_of

__all__ = ["Curve", "curves_chart", "keys_of_methods", "mark_of_look", "moments_tip"]

_NUM_MARKS = 5
"""Marks on a line; those of different methods stand at different places."""


@dataclass(frozen=True)
class Curve:
    """The curve of a method in one chart.

    Attributes:
        method: Name of the method.
        points: (x, y) in the order of x; those whose y is not finite are left out.
        low: Lower end of the band at each point; empty for none.
        high: Upper end of the band at each point; empty for none.
        steps: Whether a value holds up to the next point; else lines join the points.
        tip: Text that is shown where the pointer is on the curve, below the method's name.
    """

    method: str
    points: Sequence[tuple[float, float]]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    steps: bool = False
    tip: str = ""


def curves_chart(
    title: str, frame: Frame, labels: tuple[str, str], curves: Sequence[Curve], looks: Mapping[str, Look]
) -> Html:
    """Draw the curves of one chart, the first on top.

    Args:
        title: Title of the chart.
        frame: Area and scales of the chart.
        labels: Names of the horizontal and of the vertical axis.
        curves: The curves.
        looks: Name of every method of the page -> look; the order numbers the methods.
    """
    numbers = numbers_of(looks)
    drawn = [_curve(frame, curve, numbers[curve.method], looks[curve.method]) for curve in reversed(curves)]
    label = f"{title}: {labels[1]} by {labels[0]} of {', '.join(curve.method for curve in curves)}"
    return figure(title, chart(frame, *labels, drawn, label=label))


def keys_of_methods(looks: Mapping[str, Look], tips: Mapping[str, str] | None = None) -> Html:
    """Write the key of each method as a button that chooses it.

    Args:
        looks: Name of every method of the page -> look, in the same order as for the charts.
        tips: Name of a method -> text that is shown where the pointer is on its key.
    """
    told, numbers = tips or {}, numbers_of(looks)
    keys = [
        tag(
            "button",
            tag(
                "svg",
                tag("path", d="M1,8H43", class_="line"),
                mark_of_look(look, 22.0, 8.0),
                viewBox="0 0 44 16",
                aria_hidden="true",
            ),
            name,
            type="button",
            class_=look.classes,
            data_t=numbers[name],
            data_tip=told.get(name),
            aria_pressed="false",
        )
        for name, look in looks.items()
    ]
    return tag("div", *keys, class_="keys", role="group", aria_label="Methods")


def moments_tip(at: Mapping[str, tuple[float, float, float]]) -> str:
    """Write a value with its interval for each moment, a line each, such as ``after 20: 9.4 [8.1, 11]``."""
    lines = []
    for moment, (value, low, high) in at.items():
        between = "" if low == high else f" [{low:.3g}, {high:.3g}]"
        lines.append(f"{moment}: {value:.3g}{between}")
    return "\n".join(lines)


def _curve(frame: Frame, curve: Curve, number: int, look: Look) -> Html:
    points = [(x, y) for x, y in curve.points if math.isfinite(y)]
    every = max(1, len(points) // _NUM_MARKS)
    first = -number * 3 % every  # the marks of others stand elsewhere
    marks = [mark_of_look(look, frame.across(x), frame.up(y)) for x, y in points[first::every]]
    edges = [
        (x, low, high)
        for (x, _), low, high in zip(curve.points, curve.low, curve.high, strict=False)
        if math.isfinite(low) and math.isfinite(high)
    ]
    return tag(
        "g",
        frame.band(edges, steps=curve.steps) if len(edges) > 1 else None,
        frame.line(points, "", steps=curve.steps),
        *marks,
        class_=look.classes,
        data_t=number,
        data_tip=f"{curve.method}\n{curve.tip}".rstrip(),
    )


def mark_of_look(look: Look, x: float, y: float) -> Html:
    """Draw the mark of a method."""
    return tag("use", href=f"#mark-{look.shape}", class_="mark", x=x, y=y)
