"""Print the progress of a search: a line for each finished trial, and a live line below on a terminal.

On a terminal, a line is as long as the screen is wide: the architecture is cut. In a file or a pipe it is whole.
"""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path
from typing import Any

from ray.tune import Callback
from rich.console import Console
from rich.status import Status
from rich.text import Text

from cluster.durations import time_left
from trainables.user_code import failure_in_text

__all__ = ["SearchProgress"]


class SearchProgress(Callback):
    """Print finished trials, their metric, the best so far and the time left; in a log file, whole lines only."""

    def __init__(self, metric: str, mode: str, num_samples: int) -> None:
        """Print nothing until the run begins."""
        self._metric, self._mode, self._num_samples = metric, mode, num_samples
        self._console: Console | None = None
        self._status: Status | None = None
        self._start: float | None = None
        self._done_here = 0
        self._said = False

    def setup(self, *args: Any, **info: Any) -> None:
        """Begin or continue a run."""
        self._start, self._done_here = None, 0
        # Else FORCE_COLOR and the like would send the control codes of the live line into a log, too.
        is_log = not sys.stdout.isatty()
        self._console = Console(force_terminal=False if is_log else None, soft_wrap=True, highlight=False, emoji=False)
        self._status = self._console.status("starting workers") if self._console.is_terminal else None
        if self._status:
            self._status.start()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Measure the time left from the first training on: starting workers is not repeated."""
        if self._start is None:
            self._start = time.monotonic()

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Update the live line after an epoch of some trial; say once where its data are, if not in memory."""
        if result.get("data_in") == "disk" and not self._said and self._console:
            self._said = True
            self._console.print("Trainings read their batches from disk, not from memory.", markup=False)
        if self._status:
            running = [t for t in trials if t.status == "RUNNING" and t.last_result]
            epochs = ", ".join(f"{t.trial_id[-5:]} epoch {t.last_result.get('epoch', '?')}" for t in running)
            self._status.update(f"{self._summary(trials)}, now {epochs}")

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Print a trial that ended well, or with NaN."""
        value = trial.last_result.get(self._metric, math.nan)
        best = self._best(trials, trial)
        seconds = trial.last_result.get("time_total_s", 0.0)
        is_best = value == best
        line = Text.assemble(
            (f"{value:9.5f}{'*' if is_best else ' '}", "bold green" if is_best else ""),
            f" {seconds:6.1f} s  {trial.config.get('arch')}",
        )
        self._print(trials, trial, best, line)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Print a trial that failed."""
        line = Text.assemble(("   failed           ", "red"), str(trial.config.get("arch")))
        self._print(trials, trial, self._best(trials), line, f"{_reason(trial.error_file)}(see {trial.error_file})")

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        """Leave the terminal as it was."""
        if self._status:
            self._status.stop()

    def _print(self, trials: list[Any], ended: Any, best: float | None, line: Text, reason: str = "") -> None:
        """Print the line of an ended trial; a reason stands on its own line on a terminal, which it may not fit."""
        self._done_here += 1
        if not self._console:
            return
        done = self._num_done(trials, ended)
        width = len(str(self._num_samples))
        whole = Text(f"[{done:{width}}/{self._num_samples}] best {_shown(best)}, {self._left(done)} left ") + line
        if not self._console.is_terminal:
            self._console.print(f"{whole.plain}  {reason}".rstrip(), markup=False)
            return
        whole.truncate(self._console.width, overflow="ellipsis")
        self._console.print(whole)
        if reason:
            self._console.print(f"    {reason}", markup=False)

    def _summary(self, trials: list[Any]) -> str:
        done = self._num_done(trials)
        best = _shown(self._best(trials))
        return f"{done}/{self._num_samples} trials, best {self._metric} {best}, {self._left(done)} left"

    def _best(self, trials: list[Any], ended: Any = None) -> float | None:
        """Return the best last value of the trials that ended well, those of earlier sessions too."""
        values = [
            trial.last_result.get(self._metric, math.nan)
            for trial in trials
            if (trial is ended or trial.status == "TERMINATED") and trial.last_result
        ]
        return (max if self._mode == "max" else min)(filter(math.isfinite, values), default=None)

    @staticmethod
    def _num_done(trials: list[Any], ended: Any = None) -> int:
        """Count the trials that ended; Tune announces the end of one before it marks it."""
        return sum(trial is ended or trial.is_finished() for trial in trials)

    def _left(self, done: int) -> str:
        """Estimate the time left by the trials that this session finished."""
        if not self._done_here or self._start is None:
            return "?:??"
        return time_left(time.monotonic() - self._start, self._done_here, self._num_samples - done)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the terminal, which cannot be pickled, out of Tune's pickles."""
        return {**self.__dict__, "_console": None, "_status": None}


def _reason(error_file: str | None) -> str:
    """Return the last error of a trial in a line, if its file is there."""
    try:
        text = Path(error_file or "").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return f"{failure_in_text(text)}  "


def _shown(best: float | None) -> str:
    return "-------" if best is None else f"{best:.5f}"
