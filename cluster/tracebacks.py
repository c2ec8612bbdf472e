"""Tracebacks that a line on the screen only names."""

from __future__ import annotations

import tempfile

__all__ = ["keep_traceback"]


def keep_traceback(text: str) -> str:
    """Write a traceback into a new file for temporary ones; returns a sentence that names the file."""
    with tempfile.NamedTemporaryFile("w", prefix="mpnas-", suffix=".log", delete=False, encoding="utf-8") as file:
        file.write(text)
    return f"The full traceback is in {file.name}"
