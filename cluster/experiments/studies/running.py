"""Units of work side by side on Ray: only those that are missing, each kept as soon as it is done."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from cluster.experiments.studies.methods import Method
from cluster.experiments.studies.units import Unit, UnitResult, compute, identity, read
from cluster.work.pool import Job, side_by_side
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
        jobs = {unit.name: Job((unit, methods[unit.method], tables, work)) for unit in missing}
        failures = side_by_side(_compute, jobs)
        if failures:
            lines = "".join(f"\n  {name}: {error}" for name, error in failures.items())
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


def _compute(unit: Unit, method: Method, tables: Path, work: Path) -> float:
    """In a worker. Seconds it took."""
    start = time.monotonic()
    compute(unit, method, tables, work)
    return time.monotonic() - start
