"""Write the events of a searcher into the file of its run."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ray.tune import Callback

from cluster.observe.events import EVENTS_FILE
from cluster.storage.run_folder import RunFolder
from mpnas_ray.errors import RunError
from searchers import ArchitectureSearcher

__all__ = ["SearchTelemetry", "telemetry_to"]

_SECONDS_BETWEEN_WRITES = 5.0
_REST_PER_WORK = 50.0
"""Seconds without a write for each second that one took: long files on slow storage take no more than 2 % of a run."""

logger = logging.getLogger(__name__)


_here: ContextVar[RunFolder | None] = ContextVar("here", default=None)


@contextmanager
def telemetry_to(folder: RunFolder) -> Iterator[None]:
    """Let `SearchTelemetry` write into this folder while this is open, since its run may have been moved or copied."""
    token = _here.set(folder)
    try:
        yield
    finally:
        _here.reset(token)


class SearchTelemetry(Callback):
    """Write ``telemetry.jsonl`` into the run folder.

    The events are:

    - ``session``: beginning of a session, with ``metric`` and ``mode``, the number of ``slots`` for trials, and what
      the sizes of networks follow from: ``input_shape``, ``num_outputs`` and ``dense``.
    - ``proposal``: architecture, predicted score, rank, number of the refit that ranked it, and the number of results
      that this refit did not know.
    - ``zero_shot``: ranking of a meta-learned predictor before the first result.
    - ``refit``: number of points and candidates, seconds, Spearman correlation of earlier predictions with the results,
      and now and then whether the knowledge from other tasks helps on this one, as log odds and in words. In a search
      with limits on costs that none is expected to keep, ``least_excess``: the part of a limit by which the nearest
      exceeds it.
    - ``scored``: number of candidates that a zero-cost score ranked, number of those it could not rank, and seconds.
    - ``result``: a trial's last metric, or that it failed.

    Tune pickles searcher and callback together, so that a restored callback looks at the restored searcher.
    """

    def __init__(self, searcher: ArchitectureSearcher, storage: str, name: str, metric: str) -> None:
        """Write nothing until the first event."""
        self._searcher = searcher
        self._storage, self._name, self._metric = storage, name, metric
        self._folder: RunFolder | None = None
        self._lines: list[str] = []
        self._new_lines: list[str] = []
        self._num_taken = 0
        self._next_write = 0.0

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Record the proposals that were made, before their results are known."""
        self._record(None)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Record the result of a trial that ended well."""
        self._record({"event": "result", "trial_id": trial.trial_id, "value": trial.last_result.get(self._metric)})

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Record that a trial failed."""
        self._record({"event": "result", "trial_id": trial.trial_id, "failed": True})

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        """Write the last events."""
        self._take(None)
        self._write(patient=True)

    def _record(self, event: dict[str, Any] | None) -> None:
        self._take(event)
        if time.monotonic() >= self._next_write:
            start = time.monotonic()
            self._write(patient=False)
            now = time.monotonic()
            self._next_write = now + max(_SECONDS_BETWEEN_WRITES, _REST_PER_WORK * (now - start))

    def _take(self, event: dict[str, Any] | None) -> None:
        events = [*self._searcher.events[self._num_taken :], *([event] if event else [])]
        self._num_taken = len(self._searcher.events)
        self._new_lines.extend(json.dumps({"time": round(time.time(), 3), **each}) for each in events)

    def _write(self, *, patient: bool) -> None:
        """Write the new lines; if storage fails, they are kept for the next write, and the run goes on."""
        try:
            if self._folder is None:
                folder = _here.get() or RunFolder(self._storage, self._name)
                self._lines = (folder.impatient().read(EVENTS_FILE) or "").splitlines()
                self._folder = folder
            self._lines.extend(self._new_lines)
            self._new_lines.clear()
            folder = self._folder if patient else self._folder.impatient()
            folder.write(EVENTS_FILE, "".join(f"{line}\n" for line in self._lines))
        except (OSError, RunError) as error:
            logger.warning("Could not write %s of %s: %s", EVENTS_FILE, self._name, error)

    def __getstate__(self) -> dict[str, Any]:
        """Let a restored callback read the file that is there."""
        fresh: dict[str, Any] = {"_folder": None, "_lines": [], "_new_lines": [], "_num_taken": 0, "_next_write": 0.0}
        return {**self.__dict__, **fresh}
