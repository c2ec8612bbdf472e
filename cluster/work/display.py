"""Show how far items of work are: a bar on a terminal, whole lines in a file or pipe."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from cluster.durations import time_left
from cluster.work.items import WorkItem

__all__ = ["Display", "shown"]

_PAUSE = 5.0
"""Seconds between two lines of a log file, however fast items end."""


class _Clock:
    """Estimate the time left by what the items that are done were expected to take."""

    def __init__(self, items: Sequence[WorkItem]) -> None:
        self._expected = {item.name: item.expected for item in items}
        self._start, self._done = time.monotonic(), 0.0

    def finished(self, name: str) -> None:
        self._done += self._expected.pop(name)

    def left(self) -> str:
        """Return the estimate in words; an empty text until an item is done."""
        if not self._done:
            return ""
        return f"about {time_left(time.monotonic() - self._start, self._done, sum(self._expected.values()))} left"


class Display(Protocol):
    def finished(self, name: str, line: str, *, important: bool = False) -> None:
        """Show that an item ended."""
        ...


@contextmanager
def shown(items: Sequence[WorkItem]) -> Iterator[Display]:
    """Show a bar with a line for each item on a terminal; in a file or pipe whole lines, one every few seconds."""
    console, clock = Console(soft_wrap=True, highlight=False), _Clock(items)
    if not console.is_terminal:
        yield _Lines(console, clock, len(items))
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("units"), TimeElapsedColumn(), _Left(clock))
    with Progress(*columns, console=console) as progress:
        yield _Bar(progress, clock, len(items))


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
        self._console.print(f"[{self._done:{width}}/{self._total}] {line}{left and f'; {left}'}", markup=False)


class _Bar:
    def __init__(self, progress: Progress, clock: _Clock, total: int) -> None:
        self._progress, self._clock, self._task = progress, clock, progress.add_task("", total=total)

    def finished(self, name: str, line: str, *, important: bool = False) -> None:
        self._clock.finished(name)
        self._progress.console.print(line, markup=False)
        self._progress.advance(self._task)


class _Left(ProgressColumn):
    """Show the time left at the right end of the bar."""

    def __init__(self, clock: _Clock) -> None:
        super().__init__()
        self._clock = clock

    def render(self, task: Task) -> Text:
        return Text(self._clock.left())
