"""Scales of charts: which values an axis shows, where they lie on it, and its ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Scale", "TimeScale", "counts", "even", "logarithmic", "robust", "time_scale"]

_MARGIN = 0.05
"""Share of the range that is left free at both ends."""

_FENCE = 4.0
"""Values further from the middle half than this many times its width are drawn at the end of the axis."""

_STEPS = (1, 2, 2.5, 5, 10)
_NUM_TICKS = 5
_LEAST_LOG_TICKS = 3
_LEAST_RATIO = 3.0
"""Values of which the largest is a smaller multiple of the least are shown on a linear scale all the same."""

_TINIEST = 1e-300
"""Differences below this are none: their parts cannot be told from 0."""

_UNITS = ((172_800.0, 86_400.0, "days"), (7_200.0, 3_600.0, "hours"), (180.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))
"""(least duration, seconds, name) of the units of time."""


@dataclass(frozen=True)
class Scale:
    """An axis.

    Attributes:
        low: Value at its beginning.
        high: Value at its end, more than ``low``.
        ticks: (value, text) of each tick.
        log: Whether it is logarithmic.
    """

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False

    def share(self, value: float) -> float:
        """Return where a value lies, 0 at the beginning and 1 at the end; outside of them, at the nearer end."""
        low, high, value = (
            (math.log(self.low), math.log(self.high), math.log(max(value, self.low)))
            if self.log
            else (self.low, self.high, value)
        )
        return min(max((value - low) / (high - low), 0.0), 1.0)

    def shows(self, value: float) -> bool:
        """Say whether a value lies within the axis."""
        return self.low <= value <= self.high


@dataclass(frozen=True)
class TimeScale:
    """A scale for durations.

    Attributes:
        scale: The scale, in the unit.
        unit: Name of the unit.
        seconds: Seconds of one unit.
    """

    scale: Scale
    unit: str
    seconds: float


def even(low: float, high: float, *, margin: float = _MARGIN) -> Scale:
    """Make a linear scale from ``low`` to ``high`` with a margin."""
    if not high - low > _TINIEST:
        around = abs(low) * 0.1 if abs(low) > _TINIEST else 1.0
        low, high = low - around, high + around
    free = margin * (high - low)
    low, high = low - free, high + free
    step = _step((high - low) / _NUM_TICKS)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return Scale(low, high, tuple((each * step, _text(each * step, step)) for each in range(first, last + 1)))


def counts(most: float) -> Scale:
    """Make a linear scale from 0 to a count or a duration, whose ticks are whole numbers where they can be."""
    high = max(most, 1.0)
    step = max(_step(high / _NUM_TICKS), 1.0)
    ticks = tuple((each * step, _text(each * step, step)) for each in range(int(high / step + 1e-9) + 1))
    return Scale(0.0, high * 1.03, ticks)


def robust(values: Iterable[float]) -> Scale:
    """Make a linear scale for values of which a few may be absurd: these do not stretch it."""
    finite = np.array([value for value in values if math.isfinite(value)])
    if not finite.size:
        return even(0.0, 1.0)
    low, high = float(finite.min()), float(finite.max())
    first, third = (float(each) for each in np.quantile(finite, (0.25, 0.75)))
    reach = _FENCE * (third - first)
    if reach > 0:
        within = finite[(finite >= first - reach) & (finite <= third + reach)]
        low, high = float(within.min()), float(within.max())
    return even(low, high)


def logarithmic(values: Sequence[float]) -> Scale:
    """Make a logarithmic scale for positive values, with ticks at 1, 10, 100, and others where these are few."""
    if max(values) < _LEAST_RATIO * min(values):
        linear = even(min(values), max(values))
        return Scale(linear.low, linear.high, tuple((value, _short(value)) for value, _ in linear.ticks))
    low, high = min(values) / 1.15, max(values) * 1.15
    for digits in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 6, 8)):
        exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        at = [digit * 10.0**exponent for exponent in exponents for digit in digits]
        ticks = tuple((value, _short(value)) for value in at if low <= value <= high)
        if len(ticks) >= _LEAST_LOG_TICKS:
            break
    return Scale(low, high, ticks, log=True)


def time_scale(longest: float) -> TimeScale:
    """Make a scale from 0 to a duration in seconds, in the unit that suits it."""
    _, seconds, unit = next(each for each in _UNITS if longest >= each[0])
    return TimeScale(counts(longest / seconds), unit, seconds)


def _step(rough: float) -> float:
    """Round a step up to 1, 2, 2.5 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in _STEPS if step * power >= rough * (1 - 1e-9))


def _text(value: float, step: float) -> str:
    if abs(value) < step / 2:
        return "0"
    if abs(value) >= 1e5 or step < 1e-4:
        return f"{value:.3g}"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if decimals < 4 and not math.isclose(round(value, decimals), value, rel_tol=1e-9):
        decimals += 1  # steps of 0.25
    return f"{value:.{decimals}f}"


def _short(value: float) -> str:
    """Write a size as 500, 20k or 1.5M."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"
