"""Checks of numbers that users give: whole where whole ones are meant, finite, and within their range.

Numpy's scalars are numbers, too; truth values and texts are not.
"""

from __future__ import annotations

import math
import numbers
import operator
from typing import SupportsIndex

from mpnas_ray.errors import MPNASError

__all__ = ["MOST_SEED", "check_number", "check_seed", "check_whole"]

MOST_SEED = 2**32 - 1
"""The largest seed that all of numpy's generators, torch, scikit-learn and Optuna take."""


def check_whole(name: str, value: object, least: int, error: type[MPNASError], most: int | None = None) -> int:
    """Return a whole number as a plain int.

    Args:
        name: Of the argument, for the message.
        value: What was given.
        least: The smallest that is allowed.
        error: Raised for everything else.
        most: The largest that is allowed; None for any.
    """
    wanted = f"at least {least}" if most is None else f"from {least} to {most:,}"
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise error(f"{name} must be a whole number, {wanted}, not {value!r}.")
    try:
        whole = operator.index(value)
    except TypeError as cause:  # numpy's truth values and arrays
        raise error(f"{name} must be a whole number, {wanted}, not {value!r}.") from cause
    if whole < least or (most is not None and whole > most):
        raise error(f"{name} must be {wanted}, not {whole}.")
    return whole


def check_seed(value: object, error: type[MPNASError], name: str = "seed") -> int:
    """Return a seed as a plain int: 0 to `MOST_SEED`."""
    return check_whole(name, value, 0, error, MOST_SEED)


def check_number(
    name: str,
    value: object,
    error: type[MPNASError],
    *,
    above: float | None = None,
    least: float | None = None,
    unit: str = "",
) -> float:
    """Return a finite number as a plain float.

    Args:
        name: Of the argument, for the message.
        value: What was given.
        error: Raised for everything else.
        above: It must be above this.
        least: It must be at least this.
        unit: For the message, e.g. ``seconds``.
    """
    bound = f"above {above:g}" if above is not None else f"at least {least:g}" if least is not None else "finite"
    wanted = f"{name} is in {unit}, {bound}" if unit else f"{name} must be {bound}"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise error(f"{wanted}, not {value!r}: that is no number.")
    number = float(value)
    inside = (above is None or number > above) and (least is None or number >= least)
    if not math.isfinite(number) or not inside:
        raise error(f"{wanted}{'' if math.isfinite(number) else ' and finite'}, not {value}.")
    return number
