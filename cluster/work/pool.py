"""Jobs side by side on Ray, one core each: with progress, and without one failure stopping the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import ray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from cluster.ray.connection import connected
from cluster.tracebacks import keep_traceback
from mpnas_ray.errors import RunInterruptedError
from trainables.user_code import in_one_line, user_code_in_text

__all__ = ["Job", "side_by_side"]

_PAUSE = 5.0
"""Seconds between two lines of a log file, however fast jobs end."""


@dataclass(frozen=True)
class Job:
    """One call.

    Attributes:
        arguments: Of the function.
        expected: How long it is thought to take, in any unit that is the same for all jobs: for the time left.
    """

    arguments: tuple[Any, ...]
    expected: float = 1.0


def side_by_side(function: Callable[..., float], jobs: Mapping[str, Job], *, gpus: float = 0.0) -> dict[str, str]:
    """Call a function once a job, each in a worker with one core and one torch thread.

    What it computes it has to leave in files that all nodes reach.

    Args:
        function: Importable on all nodes; gives the seconds that it took.
        jobs: Name -> job.
        gpus: Of each call; a fraction lets calls share one.

    Returns:
        Name -> error, in a line, of the jobs that failed.

    Raises:
        RunInterruptedError: After Ctrl-C.
    """
    failures: dict[str, str] = {}
    with connected(), _shown(jobs) as display:
        remote: Any = ray.remote(num_cpus=1, num_gpus=gpus)(_call)
        pending = {remote.remote(function, job.arguments): name for name, job in jobs.items()}
        try:
            while pending:
                done, _ = ray.wait(list(pending), num_returns=1)
                name = pending.pop(done[0])
                try:
                    seconds = ray.get(done[0])
                    display.finished(name, f"{name} took {timedelta(seconds=round(seconds))}")
                except ray.exceptions.RayError as error:
                    is_first = not failures
                    failures[name] = _in_one_line(error)
                    if is_first and user_code_in_text(str(error)):
                        failures[name] += f". {keep_traceback(str(error))}"
                    display.finished(name, f"{name} FAILED: {failures[name]}", important=True)
        except KeyboardInterrupt as interrupt:
            kept = len(jobs) - len(pending) - len(failures)
            raise RunInterruptedError(
                f"Stopped; {kept} of {len(jobs)} units were done and are kept, meta-trainings go on from their "
                f"last save. The same command continues."
            ) from interrupt
        finally:
            for reference in pending:  # of a cluster that goes on without us
                ray.cancel(reference, force=True)
    return failures


def _call(function: Callable[..., float], arguments: tuple[Any, ...]) -> float:
    """In a worker."""
    import torch

    torch.set_num_threads(1)
    return function(*arguments)


def _in_one_line(error: ray.exceptions.RayError) -> str:
    cause = error.cause if isinstance(error, ray.exceptions.RayTaskError) else error
    line = in_one_line(cause) if str(cause).strip() else f"{type(cause).__name__}: no message"
    where = user_code_in_text(str(error))
    return line if where is None or where in line else f"{line} ({where})"


class _Clock:
    """The time left, judged by what the jobs that are done were expected to take."""

    def __init__(self, jobs: Mapping[str, Job]) -> None:
        self._expected = {name: job.expected for name, job in jobs.items()}
        self._start, self._done = time.monotonic(), 0.0

    def finished(self, name: str) -> None:
        self._done += self._expected.pop(name)

    def left(self) -> timedelta | None:
        if not self._done:
            return None
        return timedelta(seconds=round((time.monotonic() - self._start) / self._done * sum(self._expected.values())))


class _Display(Protocol):
    def finished(self, name: str, line: str, *, important: bool = False) -> None:
        """A job ended."""
        ...


@contextmanager
def _shown(jobs: Mapping[str, Job]) -> Iterator[_Display]:
    """A bar with a line for each job on a terminal; in a file or pipe whole lines, one every few seconds."""
    console, clock = Console(soft_wrap=True, highlight=False), _Clock(jobs)
    if not console.is_terminal:
        yield _Lines(console, clock, len(jobs))
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("units"), TimeElapsedColumn(), _Left(clock))
    with Progress(*columns, console=console) as progress:
        yield _Bar(progress, clock, len(jobs))


class _Lines:
    def __init__(self, console: Console, clock: _Clock, total: int) -> None:
        self._console, self._clock, self._total, self._done, self._last = console, clock, total, 0, -_PAUSE
        console.print(f"{total} units of work to do")

    def finished(self, name: str, line: str, *, important: bool = False) -> None:
        self._done += 1
        self._clock.finished(name)
        now = time.monotonic()
        if now - self._last < _PAUSE and not important and self._done < self._total:
            return
        self._last = now
        width = len(str(self._total))
        left = self._clock.left()
        about = "" if left is None else f"; about {left} left"
        self._console.print(f"[{self._done:{width}}/{self._total}] {line}{about}", markup=False)


class _Bar:
    def __init__(self, progress: Progress, clock: _Clock, total: int) -> None:
        self._progress, self._clock, self._task = progress, clock, progress.add_task("", total=total)

    def finished(self, name: str, line: str, *, important: bool = False) -> None:
        self._clock.finished(name)
        self._progress.console.print(line, markup=False)
        self._progress.advance(self._task)


class _Left(ProgressColumn):
    """Time left at the right end of the bar."""

    def __init__(self, clock: _Clock) -> None:
        super().__init__()
        self._clock = clock

    def render(self, task: Task) -> Text:
        left = self._clock.left()
        return Text("" if left is None else f"about {left} left")
