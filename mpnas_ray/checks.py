"""Check settings where they are given, so that a wrong one is refused there and not hours later.

Booleans are no numbers here, and NaN and infinities are none either; numpy's integers and floats are as good as
Python's.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from dataclasses import fields
from numbers import Real
from typing import Any

import numpy as np

from mpnas_ray.errors import MPNASError, SettingError
from mpnas_ray.names import did_you_mean

__all__ = [
    "MOST_SEED",
    "make_plain",
    "require_bool",
    "require_callable",
    "require_count",
    "require_instance",
    "require_number",
    "require_one_of",
    "require_seed",
    "require_text",
]

Error = type[MPNASError]

MOST_SEED = 2**32 - 1
"""The largest seed that all of numpy's generators, torch, scikit-learn and Optuna take."""


def require_count(
    name: str, value: Any, at_least: int = 1, at_most: int | None = None, *, error: Error = SettingError
) -> int:
    """Return a whole number as a plain int; refuse all but one of at least ``at_least``, and at most ``at_most``.

    Args:
        name: Name of the setting, for the message.
        value: Value to check.
        at_least: The smallest number that is allowed.
        at_most: The largest one; None for any.
        error: Kind of error to raise.
    """
    whole = _whole(value)
    if whole is None or whole < at_least or (at_most is not None and whole > at_most):
        limits = f"at least {at_least}" if at_most is None else f"from {at_least} to {at_most}"
        kind = "a whole number, " if whole is None else ""
        raise error(f"{name} must be {kind}{limits}, not {_shown(value)}.")
    return whole


def require_seed(name: str, value: Any, *, at_most: int = 2**63 - 1, error: Error = SettingError) -> int:
    """Return a seed as a plain int; refuse all but one from 0 to ``at_most``, by default the most that torch takes."""
    return require_count(name, value, 0, at_most, error=error)


def require_number(
    name: str,
    value: Any,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    unit: str = "",
    error: Error = SettingError,
) -> float:
    """Return a number as a plain float; refuse all but a finite one within limits.

    Args:
        name: Name of the setting, for the message.
        value: Value to check.
        above: A limit that is itself too small; None for none, as for the next three.
        at_least: A limit that is itself allowed.
        below: A limit that is itself too large.
        at_most: A limit that is itself allowed.
        unit: Unit for the message, e.g. ``seconds``.
        error: Kind of error to raise.
    """
    finite = _is_finite(value)
    within = finite and (
        (above is None or value > above)
        and (at_least is None or value >= at_least)
        and (below is None or value < below)
        and (at_most is None or value <= at_most)
    )
    if not within:
        limits = {"above": above, "at least": at_least, "below": below, "at most": at_most}
        wanted = " and ".join(f"{words} {limit:g}" for words, limit in limits.items() if limit is not None)
        parts = [wanted] if wanted else []
        wanted = " and ".join(parts if finite else [*parts, "a finite number"])
        verb = f"is in {unit}," if unit else "must be"
        raise error(f"{name} {verb} {wanted}, not {_shown(value)}.")
    return float(value)


def require_one_of(name: str, value: Any, known: Iterable[str], *, error: Error = SettingError) -> None:
    """Refuse all but one of the known names; the message lists them and says which one was perhaps meant."""
    names = list(known)
    if not isinstance(value, str) or value not in names:
        near = did_you_mean(value, names) if isinstance(value, str) else ""
        listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
        raise error(f"{name} must be one of {listed}, not {_shown(value)}.{near}")


def require_bool(name: str, value: Any, *, error: Error = SettingError) -> None:
    """Refuse all but True and False, also numpy's: ``"no"`` and 2 would count as True."""
    if not isinstance(value, bool | np.bool_):
        raise error(f"{name} must be True or False, not {_shown(value)}.")


def require_text(name: str, value: Any, *, error: Error = SettingError) -> None:
    """Refuse all but a text that is not blank."""
    if not isinstance(value, str) or not value.strip():
        raise error(f"{name} must be a text that is not empty, not {_shown(value)}.")


def require_callable(name: str, value: Any, takes: str, *, error: Error = SettingError) -> None:
    """Refuse what cannot be called; ``takes`` says in the message what it is to be: ``outputs, targets -> scalar``."""
    if not callable(value):
        raise error(f"{name} must be a function ({takes}), not {_shown(value)}.")


def require_instance(name: str, value: Any, wanted: type, *, error: Error = SettingError) -> None:
    """Refuse all but an object of a class."""
    if not isinstance(value, wanted):
        raise error(f"{name} must be a {wanted.__name__}, not {_shown(value)}.")


def make_plain(settings: Any) -> None:
    """Turn numpy's numbers in a frozen dataclass into Python's, which JSON and torch's schedules take too."""
    for field in fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, np.generic):
            object.__setattr__(settings, field.name, value.item())


def _whole(value: Any) -> int | None:
    """Return a whole number as an int; None if it is none, or a truth value."""
    try:
        return None if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        return None


def _is_finite(value: Any) -> bool:
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False


def _shown(value: Any) -> str:
    """Show the value in a message; long ones by their type."""
    text = repr(value)
    return text if len(text) <= 80 else f"a {type(value).__name__} ({text[:60]} ...)"
