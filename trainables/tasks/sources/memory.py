"""Refuse data that do not fit into the memory of this machine, before they are read."""

from __future__ import annotations

import os

from mpnas_ray.errors import TaskError

__all__ = ["check_memory"]


def check_memory(num_bytes: int, what: str, advice: str) -> None:
    """Refuse what needs more memory than is free; where that is not to be known, nothing is refused.

    Args:
        num_bytes: Memory that the data will take.
        what: Subject of the message, such as the name of a file.
        advice: End of the message: a way to need less memory.

    Raises:
        TaskError: If they need more.
    """
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not every system tells
        return
    if num_bytes > free:
        raise TaskError(
            f"{what} would take {num_bytes / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free: {advice}."
        )
