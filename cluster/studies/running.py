"""Units of work side by side on Ray: only those that are missing, each kept as soon as it is done."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import ray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from cluster.ray_cluster import connected
from cluster.search import RunInterruptedError
from cluster.studies.methods import Method
from cluster.studies.units import Unit, UnitResult, compute, identity, read
from mpnas_ray.errors import RunError
from mpnas_ray.tables import TableTask

__all__ = ["run_units"]


def run_units(
    units: Sequence[Unit],
    methods: Mapping[str, Method],
    tasks: Mapping[str, TableTask],
    tables: str | Path,
    work: str | Path,
) -> dict[Unit, UnitResult]:
    """Results of units: those in the work folder as they are, the others computed on one core each.

    A unit that fails does not stop the others; interrupted, the same call goes on with what is missing.

    Args:
        units: What to do.
        methods: What their methods stand for.
        tasks: From `units.study_tasks` of the same folder.
        tables: Folder of NAS tables, which all nodes must reach.
        work: Folder of the units, which all nodes must reach.

    Raises:
        RunError: When all are done, if some failed: naming each with its error.
        RunInterruptedError: After Ctrl-C.
    """
    tables, work = Path(tables).resolve(), Path(work).resolve()
    expected = {unit: identity(unit, methods[unit.method], tasks) for unit in units}
    results = {unit: read(unit, work, expected[unit]) for unit in units}
    missing = [unit for unit in units if results[unit] is None]
    if missing:
        failures = _compute_all(missing, methods, tables, work)
        if failures:
            lines = "".join(f"\n  {unit.name}: {error}" for unit, error in failures.items())
            raise RunError(
                f"{len(failures)} of {len(missing)} units failed; the others are kept, and the same command computes "
                f"these again:{lines}"
            )
        results |= {unit: read(unit, work, expected[unit]) for unit in missing}
    found = {unit: result for unit, result in results.items() if result is not None}
    if len(found) < len(results):
        unread = next(unit.name for unit, result in results.items() if result is None)
        raise RunError(f"{unread} was computed, but its file is not in {work}: all nodes must reach that folder.")
    return found


def _compute_all(units: Sequence[Unit], methods: Mapping[str, Method], tables: Path, work: Path) -> dict[Unit, str]:
    """Compute units and wait for all; the errors of those that failed."""
    failures: dict[Unit, str] = {}
    with connected(), _shown(len(units)) as display:
        remote: Any = ray.remote(num_cpus=1)(_compute)
        pending = {remote.remote(unit, methods[unit.method], tables, work): unit for unit in units}
        try:
            while pending:
                done, _ = ray.wait(list(pending), num_returns=1)
                unit = pending.pop(done[0])
                try:
                    seconds = ray.get(done[0])
                    display.finished(f"{unit.name} took {timedelta(seconds=round(seconds))}")
                except ray.exceptions.RayError as error:
                    failures[unit] = _in_one_line(error)
                    display.finished(f"{unit.name} FAILED: {failures[unit]}")
        except KeyboardInterrupt as interrupt:
            kept = len(units) - len(pending) - len(failures)
            raise RunInterruptedError(
                f"Stopped; {kept} of {len(units)} units were done and are kept, others go on from their last "
                f"meta-validation. The same command continues."
            ) from interrupt
        finally:
            for reference in pending:  # of a cluster that goes on without us
                ray.cancel(reference, force=True)
    return failures


def _compute(unit: Unit, method: Method, tables: Path, work: Path) -> float:
    """In a worker. Seconds it took."""
    import torch

    torch.set_num_threads(1)
    start = time.monotonic()
    compute(unit, method, tables, work)
    return time.monotonic() - start


def _in_one_line(error: ray.exceptions.RayError) -> str:
    cause = error.cause if isinstance(error, ray.exceptions.RayTaskError) else error
    text = " ".join(str(cause).split()) or "no message"
    return f"{type(cause).__name__}: {text}"


class _Display(Protocol):
    def finished(self, line: str) -> None:
        """A unit ended."""
        ...


@contextmanager
def _shown(total: int) -> Iterator[_Display]:
    """A line for each unit that ends; below them a bar on a terminal, in a file or pipe only whole lines."""
    console = Console(soft_wrap=True, highlight=False)
    if not console.is_terminal:
        yield _Lines(console, total)
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("units"), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        yield _Bar(progress, total)


class _Lines:
    def __init__(self, console: Console, total: int) -> None:
        self._console, self._total, self._done, self._start = console, total, 0, time.monotonic()
        console.print(f"{total} units of work to do")

    def finished(self, line: str) -> None:
        self._done += 1
        left = (time.monotonic() - self._start) / self._done * (self._total - self._done)
        width = len(str(self._total))
        self._console.print(
            f"[{self._done:{width}}/{self._total}] {line}; about {timedelta(seconds=round(left))} left", markup=False
        )


class _Bar:
    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._task = progress, progress.add_task("", total=total)

    def finished(self, line: str) -> None:
        self._progress.console.print(line, markup=False)
        self._progress.advance(self._task)
