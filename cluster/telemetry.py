"""What a searcher thought, on file: one line of JSON an event."""

from __future__ import annotations

import json
import time
from typing import Any

from ray.tune import Callback

from cluster.run_folder import RunFolder
from searchers import ArchitectureSearcher

__all__ = ["SearchTelemetry"]

_SECONDS_BETWEEN_WRITES = 5.0


class SearchTelemetry(Callback):
    """Writes ``telemetry.jsonl`` into the run folder.

    ``proposal``: architecture, predicted score, rank, which refit ranked it and how many results that did not know.
    ``zero_shot``: what a meta-learned predictor ranked before the first result.
    ``refit``: number of points and candidates, seconds, Spearman correlation of earlier predictions with what came out,
    and now and then whether what was learned on other tasks helps on this one, in words.
    ``scored``: how many candidates a zero-cost score ranked, how many it could not, and the seconds.
    ``result``: a trial's last metric, or that it failed.

    Tune pickles searcher and callback together, so that a restored callback looks at the restored searcher.
    """

    def __init__(self, searcher: ArchitectureSearcher, storage: str, name: str, metric: str) -> None:
        """Nothing is written until the first event."""
        self._searcher = searcher
        self._storage, self._name, self._metric = storage, name, metric
        self._folder: RunFolder | None = None
        self._lines: list[str] = []
        self._num_taken = 0
        self._written = 0.0

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial ended well."""
        self._record({"event": "result", "trial_id": trial.trial_id, "value": trial.last_result.get(self._metric)})

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial failed."""
        self._record({"event": "result", "trial_id": trial.trial_id, "failed": True})

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        """Write what is left."""
        self._record(None)

    def _record(self, event: dict[str, Any] | None) -> None:
        if self._folder is None:
            self._folder = RunFolder(self._storage, self._name)
            self._lines = (self._folder.read("telemetry.jsonl") or "").splitlines()
        events = [*self._searcher.events[self._num_taken :], *([event] if event else [])]
        self._num_taken = len(self._searcher.events)
        self._lines.extend(json.dumps({"time": round(time.time(), 3), **each}) for each in events)
        if event is None or time.monotonic() - self._written > _SECONDS_BETWEEN_WRITES:
            self._folder.write("telemetry.jsonl", "".join(f"{line}\n" for line in self._lines))
            self._written = time.monotonic()

    def __getstate__(self) -> dict[str, Any]:
        """A restored callback reads the file that is there."""
        return {**self.__dict__, "_folder": None, "_lines": [], "_num_taken": 0, "_written": 0.0}
