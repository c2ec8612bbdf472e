"""The file of a run with the events of its searcher: one line of JSON for each."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from typing import Any

from cluster.storage.run_folder import RunFolder
from mpnas_ray.errors import RunError
from mpnas_ray.files.json_records import parse_json

__all__ = ["EVENTS_FILE", "count_refits", "note_session", "read_events"]

EVENTS_FILE = "telemetry.jsonl"
"""In the folder of a run: what `cluster.observe.telemetry.SearchTelemetry` writes."""

_logger = logging.getLogger(__name__)


def count_refits(folder: RunFolder) -> int:
    """Count the refits in the file of a run; damaged lines do not count."""
    try:
        return (folder.read(EVENTS_FILE) or "").count('"event": "refit"')
    except (OSError, RunError):
        return 0


def read_events(folder: RunFolder) -> Iterator[dict[str, Any]]:
    """Read the events of a run in their order; damaged lines are left out."""
    for line in (folder.read(EVENTS_FILE) or "").splitlines():
        try:
            event = parse_json(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event


def note_session(folder: RunFolder, **facts: Any) -> None:
    """Add the event ``session`` to the file of a run, before its `SearchTelemetry` begins to write there."""
    try:
        lines = (folder.read(EVENTS_FILE) or "").splitlines()
        lines.append(json.dumps({"time": round(time.time(), 3), "event": "session", **facts}))
        folder.write(EVENTS_FILE, "".join(f"{line}\n" for line in lines))
    except (OSError, RunError) as error:
        _logger.warning("Could not write %s of %s: %s", EVENTS_FILE, folder, error)
