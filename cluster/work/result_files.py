"""Files of results: folders that can be written, files that are written whole, and what computed them."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mpnas_ray.errors import RunError

__all__ = ["check_folders", "machine", "make_folders", "read_results", "unreadable", "versions"]

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
    check_folders(*folders)
    try:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(_NO_RESULTS.format(error)) from error


def read_results(study: str, folder: str | Path) -> dict[str, Any]:
    """The content of ``<folder>/<study>.json``, as a study wrote it.

    Raises:
        RunError: If there is no such file, or it is not of this study.
    """
    try:
        content: dict[str, Any] = json.loads((Path(folder) / f"{study}.json").read_text(encoding="utf-8"))
        if content["study"] != study:
            raise ValueError(f"it is of the study {content['study']!r}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise unreadable(study, folder, error) from error
    return content


def unreadable(study: str, folder: str | Path, error: Exception) -> RunError:
    """The error that says why a page cannot be written from a study's JSON file, and what to do."""
    path = Path(folder) / f"{study}.json"
    why = "it is not there" if isinstance(error, FileNotFoundError) else f"{type(error).__name__}: {error}"
    return RunError(
        f"The page of {study} cannot be written from {path} ({why}). Name the folder of its results with --out, or "
        "compute them: name the folder of NAS tables with --tables."
    )


def versions() -> dict[str, str]:
    """Of this package and of those that numbers depend on."""
    return {name: version(name) for name in ("mpnas-ray", "torch", "numpy", "ray")}


def machine() -> dict[str, Any]:
    """Where this runs, without names of people or hosts."""
    return {"cores": os.cpu_count(), "platform": platform.platform()}
