"""Check and make folders for results, before work of hours rather than after it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mpnas_ray.errors import RunError

__all__ = ["check_folders", "make_folders"]

_NO_RESULTS = "Cannot write results: {}. Name other folders with --out and --work."


def check_folders(*folders: Path) -> None:
    """Refuse folders in which nothing could be written; nothing is made or left behind.

    Raises:
        RunError: If one cannot be written; the message names it.
    """
    for folder in folders:
        there = next((path for path in (folder, *folder.parents) if path.exists()), Path())
        try:
            with tempfile.TemporaryFile(dir=there):
                pass
        except OSError as error:
            raise RunError(_NO_RESULTS.format(f"{there}: {error.strerror}")) from error


def make_folders(*folders: Path) -> None:
    """Make folders for results, and make sure that something can be written in them.

    Raises:
        RunError: If one cannot be written.
    """
    check_folders(*folders)
    try:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(_NO_RESULTS.format(error)) from error
