"""Charts as inline SVG: a frame with axes, and the marks and lines in it.

A chart is drawn once, 480 units wide, and scaled by the browser; the style sheet keeps its text readable at every size.
Marks differ in shape and lines in dashes, so that nothing is said by colour alone. A shape may have the number of the
trial or method that it belongs to (``data-t``) and a text (``data-tip``): where the pointer is on it, all shapes of the
same number are lit, and its text is shown, or else what the page knows of the number.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cluster.report.html import Html, tag
from cluster.report.scales import Scale

__all__ = ["HEIGHT", "SHAPES", "WIDTH", "Frame", "chart", "definitions", "figure", "legend", "line_key", "mark_key"]

WIDTH, HEIGHT = 480.0, 290.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 78.0, 12.0, 10.0, 52.0

SHAPES: dict[str, str] = {
    "circle": "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z",
    "square": "M-3.7,-3.7h7.4v7.4h-7.4z",
    "triangle": "M0,-4.8L4.6,3.4H-4.6z",
    "down": "M0,4.8L4.6,-3.4H-4.6z",
    "diamond": "M0,-5.4L4.6,0L0,5.4L-4.6,0z",
    "cross": "M-4,-4L4,4M-4,4L4,-4",
    "plus": "M-5,0H5M0,-5V5",
    "star": "M0,-7.5L2.1,-2.6L7.2,-2.3L3.2,1L4.5,6.1L0,3.3L-4.5,6.1L-3.2,1L-7.2,-2.3L-2.1,-2.6z",
}
"""Shape of a mark -> its path around the origin."""


def definitions() -> Html:
    """Define the shapes of marks, once for a page."""
    shapes = [tag("path", id=f"mark-{name}", d=path) for name, path in SHAPES.items()]
    return tag("svg", tag("defs", *shapes), class_="definitions", width="0", height="0", aria_hidden="true")


@dataclass(frozen=True)
class Frame:
    """The area of a chart between its axes.

    Attributes:
        x: Horizontal scale.
        y: Vertical scale.
        height: Height of the whole chart.
        lane: Height of a lane below the vertical axis for marks that have no value on it.
    """

    x: Scale
    y: Scale
    height: float = HEIGHT
    lane: float = 0.0

    @property
    def bottom(self) -> float:
        """Vertical coordinate of the lower end of the area."""
        return self.height - _BOTTOM - self.lane

    def across(self, value: float) -> float:
        """Horizontal coordinate of a value."""
        return _LEFT + self.x.share(value) * (WIDTH - _LEFT - _RIGHT)

    def up(self, value: float) -> float:
        """Vertical coordinate of a value; that of the lane if it is not finite."""
        if not math.isfinite(value):
            return self.bottom + self.lane / 2
        return self.bottom - self.y.share(value) * (self.bottom - _TOP)

    def mark(
        self, x: float, y: float, shape: str, look: str = "", *, trial: int | None = None, tip: str | None = None
    ) -> Html:
        """Draw a mark; one whose value is beyond the axis is drawn at its end."""
        return tag(
            "use",
            href=f"#mark-{shape}",
            class_=f"mark {look}".strip(),
            x=self.across(x),
            y=self.up(y),
            data_t=trial,
            data_tip=tip,
        )

    def line(
        self,
        points: Iterable[tuple[float, float]],
        look: str,
        *,
        steps: bool = False,
        trial: int | None = None,
        tip: str | None = None,
    ) -> Html:
        """Draw a line through the points whose values are finite; with ``steps`` each value holds up to the next."""
        path = self._path([(x, y) for x, y in points if math.isfinite(y)], steps)
        return tag("path", d=path or "M0,0", class_=f"line {look}".strip(), data_t=trial, data_tip=tip)

    def band(self, edges: Sequence[tuple[float, float, float]], *, steps: bool = False) -> Html:
        """Draw a band.

        Args:
            edges: (x, lower end, upper end), all finite, in the order of x.
            steps: Whether the ends hold up to the next x.
        """
        over = self._path([(x, high) for x, _, high in edges], steps)
        under = self._path([(x, low) for x, low, _ in reversed(edges)], steps, backward=True)
        return tag("path", d=f"{over}L{under[1:]}z", class_="band")

    def _path(self, points: Sequence[tuple[float, float]], steps: bool, *, backward: bool = False) -> str:
        """Write the way through points; steps that stay on a level are one."""
        if not points:
            return ""
        places = [(f"{self.across(x):.1f}", f"{self.up(y):.1f}") for x, y in points]
        path = f"M{places[0][0]},{places[0][1]}"
        if not steps:
            return path + "".join(f"L{x},{y}" for x, y in places[1:])
        level = places[0][1]
        for x, y in places[1:]:
            if y != level:
                path += f"V{y}H{x}" if backward else f"H{x}V{y}"
                level = y
        return path if len(places) == 1 else f"{path}H{places[-1][0]}"

    def level(self, value: float, text: str) -> Html:
        """Draw a dotted horizontal line with a text above its right end."""
        y = self.up(value)
        return Html(
            tag("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y, class_="level")
            + tag("text", text, x=WIDTH - _RIGHT - 2, y=y - 4, class_="end")
        )


def chart(frame: Frame, x_label: str, y_label: str, content: Sequence[Html], *, label: str) -> Html:
    """Draw a chart.

    Args:
        frame: Area and scales of the chart.
        x_label: Name of the horizontal axis.
        y_label: Name of the vertical axis.
        content: Lines and marks, in the order in which they are drawn.
        label: A sentence for those who cannot see it.
    """
    bottom, right = frame.bottom, WIDTH - _RIGHT
    parts = []
    for value, text in frame.y.ticks:
        y = frame.up(value)
        parts.append(tag("line", x1=_LEFT, x2=right, y1=y, y2=y, class_="grid"))
        parts.append(tag("text", text, x=_LEFT - 6, y=y + 4, class_="end"))
    floor = bottom + frame.lane
    for value, text in frame.x.ticks:
        x = frame.across(value)
        parts.append(tag("line", x1=x, x2=x, y1=floor, y2=floor + 4, class_="tick"))
        parts.append(tag("text", text, x=x, y=floor + 18, class_="middle"))
    if frame.lane:
        parts.append(tag("rect", x=_LEFT, y=bottom, width=right - _LEFT, height=frame.lane, class_="lane"))
        parts.append(tag("text", "no value", x=_LEFT - 6, y=bottom + frame.lane / 2 + 4, class_="end"))
    parts.append(tag("line", x1=_LEFT, x2=right, y1=floor, y2=floor, class_="axis"))
    parts.append(tag("text", x_label, x=(_LEFT + right) / 2, y=frame.height - 10, class_="middle name"))
    middle = (_TOP + bottom) / 2
    turned = f"translate(13,{middle:.1f}) rotate(-90)"
    parts.append(tag("text", y_label, transform=turned, class_="middle name"))
    return svg(frame.height, *parts, *content, label=label)


def svg(height: float, *content: Html, label: str, width: float = WIDTH, look: str = "chart") -> Html:
    """Put shapes into an SVG element that is as wide as there is room."""
    return tag("svg", *content, viewBox=f"0 0 {width:g} {height:g}", class_=look, role="img", aria_label=label)


def figure(title: str, *content: Html | None, wide: bool = False) -> Html:
    """Put a chart, its title and its legend into one block."""
    return tag("figure", tag("figcaption", title), *content, class_="wide" if wide else None)


def legend(*keys: Html) -> Html:
    """Join the keys of a chart."""
    return tag("p", *keys, class_="legend")


def mark_key(shape: str, look: str, text: str) -> Html:
    """Explain a mark."""
    mark = tag("use", href=f"#mark-{shape}", class_=f"mark {look}".strip(), x=8, y=8)
    return tag("span", tag("svg", mark, viewBox="0 0 16 16", aria_hidden="true"), text)


def line_key(look: str, text: str) -> Html:
    """Explain a line."""
    line = tag("path", d="M1,8H31", class_=f"line {look}".strip())
    return tag("span", tag("svg", line, viewBox="0 0 32 16", class_="long", aria_hidden="true"), text)
