"""Python values in a form that JSON can hold, so that they come back with the types that they had.

JSON knows neither tuples nor keys that are not text; both occur in a Tune config, and a trial must receive the same
config after a restore as before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpnas_ray.errors import SearcherStateError

__all__ = ["Lost", "from_plain", "is_plain", "named", "to_plain"]


@dataclass(frozen=True)
class Lost:
    """Stands for an object that was written by `named`.

    Attributes:
        kind: Name of its type.
    """

    kind: str


def named(value: Any) -> dict[str, Any]:
    """Return an object by the name of its type, for `to_plain` where it need not come back."""
    return {"object": value.kind if isinstance(value, Lost) else type(value).__name__}


def to_plain(value: Any, other: Callable[[Any], dict[str, Any]] | None = None) -> Any:
    """Return a value as JSON can hold it.

    Args:
        value: Numbers, text, booleans, None, numpy scalars, and lists, tuples and mappings of them.
        other: Gives a mapping with one key of its own, in place of the error, for anything else.

    Raises:
        TypeError: If something else is in it.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, np.generic):
        return {"numpy": [value.dtype.str, value.item()]}
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, list):
        return [to_plain(each, other) for each in value]
    if isinstance(value, tuple):
        return {"tuple": [to_plain(each, other) for each in value]}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value) and len(value) != 1:
            return {str(key): to_plain(each, other) for key, each in value.items()}
        return {"mapping": [[to_plain(key, other), to_plain(each, other)] for key, each in value.items()]}
    if other is not None:
        return other(value)
    raise TypeError(f"{type(value).__name__} objects cannot be kept as plain values")


def is_plain(value: Any) -> bool:
    """Tell whether `to_plain` takes a value."""
    try:
        to_plain(value)
    except TypeError:
        return False
    return True


def from_plain(plain: Any, other: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """Return the value that `to_plain` was given.

    Args:
        plain: A value that `to_plain` returned, perhaps read from a file.
        other: Inverse of `to_plain`'s ``other``, for a mapping with one key.

    Raises:
        SearcherStateError: If it is nothing that `to_plain` returns.
    """
    if isinstance(plain, list):
        return [from_plain(each, other) for each in plain]
    if not isinstance(plain, dict):
        return plain
    if len(plain) != 1:
        return {key: from_plain(each, other) for key, each in plain.items()}
    ((tag, content),) = plain.items()
    try:
        if tag == "tuple":
            return tuple(from_plain(each, other) for each in content)
        if tag == "mapping":
            return {from_plain(key, other): from_plain(each, other) for key, each in content}
        if tag == "numpy":
            kind, number = content
            return np.array(number, dtype=np.dtype(kind))[()]
        if tag == "object":
            return Lost(str(content))
        if other is not None:
            return other(plain)
    except (TypeError, ValueError, OverflowError) as error:
        raise SearcherStateError(f"a value of kind {tag!r} is damaged: {error}") from error
    raise SearcherStateError(f"a value of kind {tag!r} is not known")
