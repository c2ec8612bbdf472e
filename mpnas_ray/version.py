"""The version of this installation."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path

__all__ = ["version"]


@cache
def version() -> str:
    """The version of mpnas-ray: in a checkout that of its pyproject.toml, else that of the installed package."""
    project = Path(__file__).parents[1] / "pyproject.toml"
    if project.is_file():
        found = re.search(r'^name = "mpnas-ray"\nversion = "(.+)"$', project.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return found[1]
    try:
        return installed_version("mpnas-ray")
    except PackageNotFoundError:
        return "unknown"
