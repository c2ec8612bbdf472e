"""Keep whole tracebacks in files, where the screen shows one line."""

from __future__ import annotations

import tempfile

__all__ = ["keep_traceback"]


def keep_traceback(text: str) -> str:
    """Write a traceback into a new temporary file, and return a sentence that names it."""
    with tempfile.NamedTemporaryFile("w", prefix="mpnas-", suffix=".log", delete=False, encoding="utf-8") as file:
        file.write(text)
    return f"The full traceback is in {file.name}"
