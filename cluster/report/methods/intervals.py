"""One number of each method with its interval, the best on top."""

from __future__ import annotations

import math
from collections.abc import Mapping

from cluster.report.charts import WIDTH, figure, svg
from cluster.report.html import Html, tag
from cluster.report.methods.curves import mark_of_look
from cluster.report.methods.looks import Look, numbers_of
from cluster.report.scales import Scale

__all__ = ["intervals_chart"]

_LEFT, _RIGHT, _TOP, _ROW = 172.0, 14.0, 6.0, 23.0


def intervals_chart(
    title: str, scale: Scale, label: str, found: Mapping[str, tuple[float, float, float]], looks: Mapping[str, Look]
) -> Html:
    """Draw a row for each method, ordered by the numbers, lower first.

    Args:
        title: Title of the chart.
        scale: Horizontal scale; what is beyond it is drawn at its end.
        label: Name of the horizontal axis.
        found: Name of a method -> its number, and the lower and the upper end of its interval.
        looks: Name of every method of the page -> look; the order numbers the methods.
    """
    numbers = numbers_of(looks)
    ordered = sorted((name for name in found if math.isfinite(found[name][0])), key=lambda name: found[name][0])
    floor = _TOP + _ROW * len(ordered)

    def across(value: float) -> float:
        return _LEFT + scale.share(value) * (WIDTH - _LEFT - _RIGHT)

    parts: list[Html] = []
    for value, text in scale.ticks:
        x = across(value)
        parts.append(tag("line", x1=x, x2=x, y1=_TOP, y2=floor, class_="grid"))
        parts.append(tag("text", text, x=x, y=floor + 17, class_="middle"))
    parts.append(tag("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=floor, y2=floor, class_="axis"))
    parts.append(tag("text", label, x=(_LEFT + WIDTH - _RIGHT) / 2, y=floor + 38, class_="middle name"))
    for row, name in enumerate(ordered):
        value, low, high = found[name]
        y = _TOP + _ROW * (row + 0.5)
        parts.append(
            tag(
                "g",
                tag("path", d=f"M{across(low):.1f},{y:g}H{across(high):.1f}", class_="line"),
                mark_of_look(looks[name], across(value), y),
                tag("text", name, x=_LEFT - 10, y=y + 4, class_="end"),
                class_=looks[name].classes,
                data_t=numbers[name],
                data_tip=f"{name}\n{value:.3g} [{low:.3g}, {high:.3g}]",
            )
        )
    return figure(title, svg(floor + 46, *parts, label=f"{title}: {', '.join(ordered)}, the best first"))
