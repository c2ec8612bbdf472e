"""Write the figures of a comparison as text."""

from __future__ import annotations

import math

from mpnas_ray.stats import Interval

__all__ = ["between", "count", "percent", "short", "value"]


def count(queries: float) -> str:
    """Write a number of queries: ``24``, ``24.5``; ``>`` for infinitely many."""
    return ">" if math.isinf(queries) else f"{queries:g}"


def percent(number: float) -> str:
    """Write three digits, or none behind the point: ``134``, ``13.4``, ``1.34``, ``0.00``."""
    return f"{number:.0f}" if number >= 99.95 else f"{number:.1f}" if number >= 9.995 else f"{number:.2f}"


def between(found: Interval) -> str:
    """Write ``21.3 [14.1, 30.2]`` by `percent`, with a minus where needed; no interval where it has no width."""
    middle, low, high = (
        "∞" if math.isinf(number) else f"{'-' if number < 0 else ''}{percent(abs(number))}"
        for number in (found.value, found.low, found.high)
    )
    return middle if low == middle == high else f"{middle} [{low}, {high}]"


def value(found: Interval) -> str:
    """Write ``93.41 [93.20, 93.60]``; no interval where it has no width."""
    if found.low == found.high:
        return f"{found.value:.2f}"
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def short(task: str) -> str:
    """Return the name of a task without its space."""
    return task.partition("/")[2]
