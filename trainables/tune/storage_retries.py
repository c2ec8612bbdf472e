"""Waiting for storage that fails for a while, rather than losing what was computed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["PATIENCE_S", "patiently"]

PATIENCE_S = 60.0
"""Seconds for which storage may fail. Arrow's own client of S3 gives up after six (its connect retries, measured)."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0

_T = TypeVar("_T")
_logger = logging.getLogger(__name__)


def patiently(action: Callable[[], _T], what: str, *, patience_s: float = PATIENCE_S) -> _T:
    """Call something that reads or writes storage, again and again while it fails.

    What is not there is not waited for: `FileNotFoundError` comes at once.

    Args:
        action: Can be called again after it failed.
        what: It does, for the log: ``"write runs/darcy"``.
        patience_s: Seconds after the first failure from which on no more is tried; 0 to try once.

    Raises:
        OSError: What the last try raised.
    """
    start, pause = time.monotonic(), _FIRST_PAUSE
    while True:
        try:
            return action()
        except FileNotFoundError:  # noqa: PERF203  (a call that fails is what the loop is for)
            raise
        except OSError as error:
            left = patience_s - (time.monotonic() - start)
            if left <= 0:
                raise
            _logger.warning("Could not %s, trying for %.0f s more: %s", what, left, error)
            time.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE)
