"""The errors that a user can meet. Each message says what was wrong, where, and what to do."""

from __future__ import annotations

__all__ = [
    "MPNASError",
    "PredictorError",
    "RunError",
    "SearchSpaceError",
    "SearcherStateError",
    "TableError",
    "TaskError",
    "UserCodeError",
]


class MPNASError(Exception):
    """Base of every error that this project raises on purpose."""


class SearchSpaceError(MPNASError, ValueError):
    """An architecture string or the name of a search space is wrong."""


class PredictorError(MPNASError):
    """A predictor was asked for something it cannot do, or could not be fitted."""


class TableError(MPNASError, ValueError):
    """A NAS table is missing, damaged, or not what its name says."""


class TaskError(MPNASError, ValueError):
    """A task is unknown, or its data are missing or damaged."""


class UserCodeError(TaskError):
    """Code that the user gave us failed; the message names its file and line, ``__cause__`` is what it raised."""


class SearcherStateError(MPNASError, ValueError):
    """A saved searcher cannot be restored here."""


class RunError(MPNASError):
    """A run cannot start, or cannot be continued, as it was asked for."""
