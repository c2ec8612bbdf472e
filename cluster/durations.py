"""Durations as people read them."""

from __future__ import annotations

from datetime import timedelta

__all__ = ["duration", "in_words", "time_left"]


def duration(seconds: float) -> str:
    """Write whole seconds as ``mm:ss``, from an hour on as ``h:mm:ss``."""
    return str(timedelta(seconds=round(seconds))).removeprefix("0:")


def in_words(seconds: float) -> str:
    """Write a duration in the two largest units that it has."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def time_left(seconds: float, done: float, left: float) -> str:
    """Estimate the time that is left, if the rest goes on as fast as what was done.

    Args:
        seconds: Seconds that it has taken so far.
        done: Amount that was done in that time, above 0.
        left: Amount that is left, in the same unit.
    """
    return duration(seconds / done * left)
