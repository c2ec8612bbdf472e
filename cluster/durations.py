"""Durations as people read them."""

from __future__ import annotations

from datetime import timedelta

__all__ = ["duration", "time_left"]


def duration(seconds: float) -> str:
    """Write whole seconds as ``mm:ss``, from an hour on as ``h:mm:ss``."""
    return str(timedelta(seconds=round(seconds))).removeprefix("0:")


def time_left(seconds: float, done: float, left: float) -> str:
    """Estimate the time that is left, if the rest goes on as fast as what was done.

    Args:
        seconds: Seconds that it has taken so far.
        done: Amount that was done in that time, above 0.
        left: Amount that is left, in the same unit.
    """
    return duration(seconds / done * left)
