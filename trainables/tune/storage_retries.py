"""Wait for storage that fails for a while, rather than lose what was computed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_exponential

__all__ = ["PATIENCE_S", "patiently"]

PATIENCE_S = 60.0
"""Seconds for which storage may fail. Arrow's own client of S3 gives up after six (its connect retries, measured)."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0

_T = TypeVar("_T")
_logger = logging.getLogger(__name__)


def patiently(action: Callable[[], _T], what: str, *, patience_s: float = PATIENCE_S) -> _T:
    """Call something that reads or writes storage, again and again while it fails.

    A file that is missing is not waited for: `FileNotFoundError` is raised at once.

    Args:
        action: Function to call, which can be called again after it failed.
        what: Name of the action in the log: ``"write runs/darcy"``.
        patience_s: Seconds from the first call after which a failure is final; 0 to try once.

    Raises:
        OSError: The error of the last call.
    """

    def warn(call: RetryCallState) -> None:
        assert call.outcome is not None
        left = max(0.0, patience_s - (call.seconds_since_start or 0.0))
        _logger.warning("Could not %s, trying for %.0f s more: %s", what, left, call.outcome.exception())

    return Retrying(
        retry=retry_if_exception(_may_pass),
        stop=stop_after_delay(patience_s),
        wait=wait_exponential(_FIRST_PAUSE, max=_LONGEST_PAUSE),
        before_sleep=warn,
        reraise=True,
    )(action)


def _may_pass(error: BaseException) -> bool:
    """Tell whether an error is one of storage that waiting may mend."""
    return isinstance(error, OSError) and not isinstance(error, FileNotFoundError)
