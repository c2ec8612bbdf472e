"""Files of results: folders that can be written, files that are written whole, and what computed them."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mpnas_ray.errors import RunError

__all__ = ["machine", "make_folders", "versions", "write_whole"]


def make_folders(*folders: Path) -> None:
    """Before work of hours, not after it.

    Raises:
        RunError: If one cannot be written.
    """
    try:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / ".writable").touch()
            (folder / ".writable").unlink()
    except OSError as error:
        raise RunError(f"Cannot write results: {error}. Name other folders with --out and --work.") from error


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
