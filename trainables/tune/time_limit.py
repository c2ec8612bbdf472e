"""Kill a process that hangs: nothing in one that is stuck in a library can be relied on to raise an error."""

from __future__ import annotations

import faulthandler
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["killed_after"]


@contextmanager
def killed_after(seconds: float | None) -> Iterator[None]:
    """Kill this process if the code within takes too long; Tune then tries the trial again elsewhere.

    This works while a library holds Python's lock, since the watching thread is not one of Python. The stack of each
    thread is written to the standard error, which Ray keeps in the worker's log.

    Args:
        seconds: Time limit; None for no limit.
    """
    if seconds is None:
        yield
        return
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or 2)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
