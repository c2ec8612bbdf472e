"""Restore runs whose files are damaged as far as possible, and name what is lost.

The results of a run are in the folders of its trials, each for itself. So a damaged record or report, and a best
network that is gone (`cluster.run.best_network`), are made again from these; `cluster.ray.snapshots` does the same with
Tune's snapshots. A damaged file is renamed and not deleted.
"""

from __future__ import annotations

import logging

from cluster.run.record import DamagedRecordError, RunRecord
from cluster.storage.run_folder import RUN_FILE, RunFolder
from cluster.storage.trial_files import read_trials
from mpnas_ray.errors import RunError
from mpnas_ray.spaces import get_space

__all__ = ["extended_run", "record_before"]

_logger = logging.getLogger(__name__)


def record_before(folder: RunFolder, record: RunRecord) -> RunRecord | None:
    """Read the record of a folder's run; None if the folder is new.

    If the file is damaged or gone but all trials were run as ``record`` says, ``record`` takes its place.

    Raises:
        RunError: If the folder holds something else, or the file is damaged and the trials are of another search.
    """
    try:
        return RunRecord.read(folder)
    except DamagedRecordError as error:
        trials = read_trials(folder)
        space, constants = get_space(record.config.space), record.constants()
        constants.pop("data_dir", None)  # may be another in each session
        constants.pop("data_in", None)
        constants.pop("time_limit_s", None)
        for trial in trials:
            if (trial.config.get("weights") is None) != (record.config.weights is None):
                start = trial.config.get("weights") or "random weights"
                raise RunError(f"{error} But trial {trial.trial_id} started from {start}.") from error
            others = {name: trial.config.get(name) for name in constants if trial.config.get(name) != constants[name]}
            if others or trial.arch not in space:
                asked = ", ".join(f"{name} {value!r}" for name, value in others.items())
                raise RunError(
                    f"{error} But trial {trial.trial_id} was run with {asked or f'the architecture {trial.arch}'}."
                ) from error
        if not trials:
            raise
        if RUN_FILE in folder.names():
            folder.rename(RUN_FILE, f"damaged-{RUN_FILE}")
        _logger.warning("%s/%s was damaged or gone: it is written again from this search.", folder, RUN_FILE)
        record.write(folder)
        return record


def extended_run(location: str, folder: RunFolder) -> RunFolder:
    """Find the run that another one extends: where its record says, or beside it if both were moved together.

    Raises:
        RunError: If it is in neither folder.
    """
    beside = folder.sibling(location.partition("?")[0].rstrip("/").rpartition("/")[2])
    for there in (location, beside):
        try:
            return RunFolder.of_run(there)
        except RunError:  # noqa: PERF203  (two folders)
            continue
    raise RunError(f"{folder} begins with the results of {location}, which is not there: put it back, or to {beside}.")
