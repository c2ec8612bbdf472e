"""The errors that a user can meet. Each message says what was wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "MPNASError",
    "PredictorError",
    "RunError",
    "SearchSpaceError",
    "SearcherStateError",
    "SettingError",
    "TableError",
    "TaskError",
    "did_you_mean",
]


class MPNASError(Exception):
    """Base of every error that this project raises on purpose."""


class SettingError(MPNASError, ValueError):
    """A setting of a searcher, a scheduler or a function has a value that it cannot have."""


class SearchSpaceError(MPNASError, ValueError):
    """An architecture string or the name of a search space is wrong."""


class PredictorError(MPNASError):
    """A predictor was asked for something it cannot do, or could not be fitted."""


class TableError(MPNASError, ValueError):
    """A NAS table is missing, damaged, or not what its name says."""


class TaskError(MPNASError, ValueError):
    """A task is unknown, or its data are missing or damaged."""


class SearcherStateError(MPNASError, ValueError):
    """A saved searcher cannot be restored here."""


class RunError(MPNASError):
    """A run cannot start, or cannot be continued, as it was asked for."""


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Suggest the known name that is most like the one given: `` Did you mean 'x'?``, or "" if none is like it.

    Args:
        given: A name that is not known.
        known: Those that are.
    """
    names = {name.lower(): name for name in known}
    near = get_close_matches(given.lower(), names, n=1)
    return f" Did you mean {names[near[0]]!r}?" if near else ""
