"""The errors that a user can meet. Each message says what was wrong, where, and what to do."""

from __future__ import annotations

__all__ = [
    "ForeignModuleError",
    "MPNASError",
    "PredictorError",
    "RunError",
    "RunInterruptedError",
    "SearchSpaceError",
    "SearcherStateError",
    "SettingError",
    "TableError",
    "TaskError",
    "UntestedRayError",
    "UserCodeError",
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


class UserCodeError(TaskError):
    """Code that the user gave us failed; the message names its file and line, ``__cause__`` is what it raised."""


class SearcherStateError(MPNASError, ValueError):
    """A saved searcher cannot be restored here."""


class RunError(MPNASError):
    """A run cannot start, or cannot be continued, as it was asked for."""


class RunInterruptedError(RunError):
    """Work was stopped before its end, e.g. by Ctrl-C; what was done is kept, and the same call goes on."""


class ForeignModuleError(MPNASError, ImportError):
    """A module that is not of this project has the name of one of its packages, and is found before it."""


class UntestedRayError(MPNASError):
    """The installed Ray is not one that this project is tested with; the message names the tested versions."""
