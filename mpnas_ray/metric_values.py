"""Read the value of a metric, in the same way wherever one comes in.

Results reach the project from trials, earlier experiments, tables, files and callers, as Python numbers, numpy scalars,
tensors or text, flat (``{"eval/acc": 0.9}``) or nested (``{"eval": {"acc": 0.9}}``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["find_metric", "metric_value", "numbers_in"]


def metric_value(value: Any) -> float:
    """Return a value as a float; NaN if it is not a number.

    Numbers of any type, booleans, text that holds a number, and arrays and tensors of one element count as numbers. An
    integer beyond the range of a float becomes an infinity of its sign. Never raises.
    """
    if isinstance(value, str) and ("_" in value or not value.isascii()):
        return math.nan  # Python reads such text as numbers, hardly anything else does
    try:
        if getattr(value, "size", None) == 1 or callable(getattr(value, "numel", None)):
            value = value.item()
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except Exception:  # an object of the user's may raise anything
        return math.nan


def find_metric(result: Mapping[str, Any], name: str, missing: Any = None) -> Any:
    """Return what a result holds under a metric's name, flat or nested; ``missing`` if it has no such entry.

    Args:
        result: Metrics by name; the value of a name may again be such a mapping.
        name: A key of ``result``, or the keys on the way to an inner entry, joined by ``/``.
        missing: Anything that no result holds, where None is to be told from no entry.
    """
    if name in result:
        return result[name]
    for cut in (place for place, letter in enumerate(name) if letter == "/"):
        inner = result.get(name[:cut])
        if isinstance(inner, Mapping) and (found := find_metric(inner, name[cut + 1 :], missing)) is not missing:
            return found
    return missing


def numbers_in(result: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Yield the numbers of a result, NaN among them, each with the name under which `find_metric` finds it."""
    for key, value in result.items():
        if isinstance(value, Mapping):
            yield from numbers_in(value, f"{prefix}{key}/")
        elif isinstance(value, float) or not math.isnan(metric_value(value)):
            yield f"{prefix}{key}", metric_value(value)
