"""Resume a run that was stopped."""

from __future__ import annotations

from pathlib import Path

from cluster.run.record import RunRecord
from cluster.run.report import SearchReport
from cluster.run.session import run_session
from cluster.storage.run_folder import RunFolder
from trainables import Task

__all__ = ["resume_search"]


def resume_search(folder: str | Path, *, task: Task | None = None, progress: bool = True) -> SearchReport:
    """Continue a run that was stopped in any way, as ``mpnas resume`` does.

    No training that was complete is done again, and the others go on from their last checkpoint. A run that is complete
    gives its report again.

    Args:
        folder: The run's folder or URI.
        task: The run's task, if only this program knows of it.
        progress: Print a line for each finished trial.

    Raises:
        MPNASError: If there is no run, or if it cannot be continued.
        RunInterruptedError: After Ctrl-C.
    """
    run = RunFolder.of_run(folder)
    record = RunRecord.of_run(run)
    return run_session(record, record.find_task(run, task), run, progress=progress)
