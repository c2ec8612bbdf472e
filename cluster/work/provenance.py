"""Describe how a result was computed: versions of packages, and the machine."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from typing import Any

__all__ = ["machine", "versions"]


def versions() -> dict[str, str]:
    """Return the versions of this package and of those that numbers depend on."""
    return {name: version(name) for name in ("mpnas-ray", "torch", "numpy", "ray")}


def machine() -> dict[str, Any]:
    """Describe the machine that this runs on, without names of people or hosts."""
    return {"cores": os.cpu_count(), "platform": platform.platform()}
