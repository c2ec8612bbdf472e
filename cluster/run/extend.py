"""Extend a run: start a new one with the results of an earlier one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cluster.run.damage import extended_run
from cluster.run.record import RunRecord
from cluster.run.report import SearchReport
from cluster.run.session import run_session
from cluster.storage.run_folder import RunFolder
from cluster.storage.trial_files import distinct, read_trials
from mpnas_ray.checks import require_count
from mpnas_ray.errors import RunError
from trainables import Task

__all__ = ["extend_search"]


def extend_search(
    folder: str | Path, num_samples: int, *, name: str | None = None, task: Task | None = None, progress: bool = True
) -> SearchReport:
    """Start a new run with all results of an earlier one, as ``mpnas extend`` does.

    The earlier run stays as it is. Its trials are the first of the new run and report at once, so that the searcher
    knows them and the best is chosen among all; trials that failed are counted and not repeated. A new run of that name
    that was stopped is continued.

    Args:
        folder: The earlier run's folder or URI.
        num_samples: Number of architectures in all, more than the earlier run had.
        name: Name of the new run, which lies beside the earlier one; ``<earlier>-extended-<num_samples>`` if None.
        task: The run's task, if only this program knows of it.
        progress: Print a line for each finished trial.

    Raises:
        MPNASError: If there is no run, or if it cannot be extended.
        RunInterruptedError: After Ctrl-C.
    """
    num_samples = require_count("num_samples", num_samples, 1, error=RunError)
    source = RunFolder.of_run(folder)
    earlier = RunRecord.of_run(source)
    trials = distinct(read_trials(source))
    num_before = len(trials) + earlier.num_failed_before
    if num_samples <= num_before:
        raise RunError(
            f"{source} has {num_before} architectures: num_samples is the number in all, more than that, not "
            f"{num_samples}."
        )
    record = replace(
        earlier,
        config=replace(earlier.config, num_samples=num_samples),
        extends=str(source),
        num_failed_before=earlier.num_failed_before + sum(trial.failed for trial in trials),
    )
    found = record.find_task(source, task)
    target = RunFolder(source.storage, f"{source.name}-extended-{num_samples}" if name is None else name)
    with target.taken_away_if_refused():
        earlier_try = RunRecord.read(target)
        if earlier_try is not None:
            if earlier_try.extends is None or str(extended_run(earlier_try.extends, target)) != str(source):
                raise RunError(f"{target} is a run that does not extend {source}: choose another --name.")
            record.check_same(earlier_try, target)
            record = replace(earlier_try, extends=str(source))
        return run_session(record, found, target, before=trials, progress=progress)
