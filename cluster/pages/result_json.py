"""Write results as JSON whose versions can be compared line by line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["result_json"]


def result_json(content: Mapping[str, Any]) -> str:
    """Write a line for each key, and for each entry of a list.

    Raises:
        ValueError: If a number is not finite.
    """
    lines = []
    for key, value in content.items():
        if isinstance(value, list) and value:
            entries = ",\n".join(f"  {_compact(entry)}" for entry in value)
            lines.append(f" {json.dumps(key)}: [\n{entries}\n ]")
        else:
            lines.append(f" {json.dumps(key)}: {json.dumps(value, allow_nan=False)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
