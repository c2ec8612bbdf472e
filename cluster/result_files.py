"""Files of results: folders that can be written, files that are written whole, and what computed them."""

from __future__ import annotations

import os
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mpnas_ray.errors import RunError

__all__ = ["check_folders", "machine", "make_folders", "versions", "write_whole"]

_NO_RESULTS = "Cannot write results: {}. Name other folders with --out and --work."


def check_folders(*folders: Path) -> None:
    """Refuse folders in which nothing could be written; nothing is made or left behind.

    Raises:
        RunError: Naming what is in the way.
    """
    for folder in folders:
        there = next((path for path in (folder, *folder.parents) if path.exists()), Path())
        try:
            with tempfile.TemporaryFile(dir=there):
                pass
        except OSError as error:
            raise RunError(_NO_RESULTS.format(f"{there}: {error.strerror}")) from error


def make_folders(*folders: Path) -> None:
    """Make folders for results, and make sure that something can be written in them: before work of hours, not after.

    Raises:
        RunError: If one cannot be written.
    """
    try:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / ".writable").touch()
            (folder / ".writable").unlink()
    except OSError as error:
        raise RunError(_NO_RESULTS.format(error)) from error


def write_whole(path: Path, text: str) -> None:
    """The file is as it was, or holds all of the text; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def versions() -> dict[str, str]:
    """Of this package and of those that numbers depend on."""
    return {name: version(name) for name in ("mpnas-ray", "torch", "numpy", "ray")}


def machine() -> dict[str, Any]:
    """Where this runs, without names of people or hosts."""
    return {"cores": os.cpu_count(), "platform": platform.platform()}
