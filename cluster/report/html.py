"""Write HTML and SVG in which every text is escaped."""

from __future__ import annotations

import html
import math
from typing import Any

__all__ = ["Html", "number", "tag", "whole"]


_NOTHING = "\N{EN DASH}"
"""Stands where a number is not known."""


class Html(str):
    """Markup that is right as it stands; all other text is escaped when it is put into a tag."""

    __slots__ = ()


def tag(name: str, *inner: str | Html | None, **attributes: Any) -> Html:
    """Write an element.

    Args:
        name: Name of the element.
        *inner: Content of the element: text, which is escaped, or markup; None for nothing.
        **attributes: Attributes of the element; ``class_`` stands for ``class``, other underscores for hyphens, and
            those that are None are left out.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(_plain(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    content = "".join(each if isinstance(each, Html) else html.escape(each) for each in inner if each is not None)
    return Html(f"<{name}{given}>{content}</{name}>")


def number(value: float | None) -> str:
    """Show a number in up to five significant digits."""
    if value is None or math.isnan(value):
        return _NOTHING
    return f"{value:.5g}"


def whole(value: int | None) -> str:
    """Show a count with separators."""
    return _NOTHING if value is None else f"{value:,}"


def _plain(value: Any) -> str:
    """Write coordinates short: a tenth of a unit is finer than a screen."""
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
