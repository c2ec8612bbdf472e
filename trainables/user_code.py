"""Failures of code that a user gave us (tasks, losses, metrics), in one line with file and line number."""

from __future__ import annotations

import re
import sysconfig
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mpnas_ray.errors import UserCodeError

__all__ = ["defined_at", "failure_in_text", "in_one_line", "user_code_failed", "user_code_in_text"]

_OURS = tuple(
    f"{Path(__file__).parents[1] / package}/" for package in ("mpnas_ray", "searchers", "trainables", "cluster")
)
_PYTHONS = tuple(f"{sysconfig.get_paths()[name]}/" for name in ("stdlib", "platstdlib"))
_INSTALLED = ("/site-packages/", "/dist-packages/")

_FRAME = re.compile(r'^\s*File "(.+?)", line (\d+)(?:, in .+)?$', re.MULTILINE)
_EXCEPTION = re.compile(r"^(?:[A-Za-z_]\w*\.)*([A-Z]\w*)(?:: (.*))?$", re.MULTILINE)
_LONGEST = 300

Frame = tuple[str, int]
"""File and line of a frame."""


def user_code_failed(what: str, error: BaseException, function: Callable[..., Any] | None = None) -> UserCodeError:
    """Make an error that describes another one in one line; raise it ``from`` the other.

    Args:
        what: Description of the failed code, e.g. ``Task 'mine': load failed``.
        error: Error that the code raised.
        function: Function that was called; the message names its definition if the error was raised outside of the
            user's files.
    """
    if isinstance(error, SyntaxError) and error.filename:
        where: str | None = f"{error.filename}:{error.lineno}"
        text = f"{type(error).__name__}: {error.msg}"
    else:
        frames = [(frame.filename, frame.lineno or 0) for frame in traceback.extract_tb(error.__traceback__)]
        files = [_shown(frame) for frame in frames if not frame[0].startswith("<")]
        where = _of_user(frames) or defined_at(function) or (files[-1] if files else None)
        text = in_one_line(error)
    end = "" if text.endswith((".", "!", "?")) else "."
    return UserCodeError(f"{what}{f' at {where}' if where else ''}: {text}{end}")


def failure_in_text(traceback_text: str) -> str:
    """Describe the last error of a printed traceback in one line, with file and line of the user's code.

    A traceback without an error is returned as it is, in one line.
    """
    frames = list(_FRAME.finditer(traceback_text))
    found = _EXCEPTION.search(traceback_text, frames[-1].end() if frames else 0)
    if found is None:
        return _shortened(traceback_text)
    told = _shortened(": ".join(part for part in found.groups() if part))
    where = user_code_in_text(traceback_text)
    return told if where is None or where in told else f"{told} ({where})"


def user_code_in_text(traceback_text: str) -> str | None:
    """Find file and line of the last frame of a printed traceback that is the user's code; None if there is none."""
    return _of_user([(match[1], int(match[2])) for match in _FRAME.finditer(traceback_text)])


def in_one_line(error: BaseException) -> str:
    """Return type and message of an error, without line breaks."""
    message = _shortened(str(error))
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def defined_at(function: Callable[..., Any] | None) -> str | None:
    """Find file and line of the definition of a function, a method, or the class of a callable object."""
    while isinstance(function, partial):
        function = function.func
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    if code is None:
        code = getattr(vars(type(function)).get("__call__"), "__code__", None)
    return None if code is None else _shown((code.co_filename, code.co_firstlineno))


def _of_user(frames: Sequence[Frame]) -> str | None:
    """Find the innermost call that is neither ours, nor Python's, nor of an installed package."""
    for frame in reversed(frames):
        file = frame[0]
        if file.startswith(("<", *_OURS, *_PYTHONS)) or any(part in file for part in _INSTALLED):
            continue
        return _shown(frame)
    return None


def _shown(frame: Frame) -> str:
    return f"{frame[0]}:{frame[1]}"


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 4]} ..."
