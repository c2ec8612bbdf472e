"""Bring Tune's snapshot of a stopped run in line with what its trials have written since.

A snapshot is up to some seconds older than the trials' own files, and a kill while it is copied to the run's folder
leaves its three files of different ages, or one of them cut short (`cluster.ray.snapshot_files`). So before Tune reads
it, the newest whole snapshot is chosen and the damaged files of newer ones are put aside. Then the number of trials and
the folder in it are corrected, the searcher is told which trials the snapshot knows to be finished, and the trials that
the snapshot does not know are proposed again. None of them is trained again (`trainables.tune.trial.EarlierTraining`).
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray import tune

from cluster.ray.snapshot_files import (
    TUNER,
    KnownTrial,
    put_aside,
    read_count,
    read_searcher,
    read_trials_of,
    remedy,
    searcher_file,
    sessions,
    write_count,
)
from cluster.storage.run_folder import RunFolder
from cluster.storage.trial_files import TrialFiles
from mpnas_ray.errors import RunError, SearcherStateError
from searchers import ArchitectureSearcher

__all__ = ["ended_by_itself", "enqueue_all", "reconcile", "restored"]

_logger = logging.getLogger(__name__)


def reconcile(folder: RunFolder, trials: list[TrialFiles], make_searcher: Callable[[], ArchitectureSearcher]) -> bool:
    """Make the newest whole snapshot fit to continue from.

    Args:
        folder: Folder of the run.
        trials: Trials as their own files describe them.
        make_searcher: Function that makes a searcher as the run was started with.

    Returns:
        Whether there is a whole snapshot.

    Raises:
        RunError: If a snapshot is not one that this version of Tune understands.
    """
    for session in sessions(folder):
        known = read_trials_of(folder, session)
        count = read_count(folder, session)
        searcher = make_searcher()
        if not known or count is None or not _restore(searcher, folder, session):
            _logger.warning("The snapshot %s of %s is damaged: it is put aside, see docs/runs.md.", session, folder)
            put_aside(folder, session)
            continue
        for trial_id, trial in known.items():
            if trial.status in ("TERMINATED", "ERROR"):
                searcher.on_trial_complete(trial_id, trial.last_result, error=trial.status == "ERROR")
        lost = _lost_trials(searcher, known, trials)
        for trial_id, config in lost.items():
            searcher.observations.trials.pop(trial_id, None)
            searcher.enqueue(trial_id, {"arch": config["arch"]})
        _save(searcher, folder, session)
        write_count(folder, session, {**count, "counter": len(known), "finished": count["finished"] and not lost})
        return True
    return False


def enqueue_all(searcher: ArchitectureSearcher, trials: list[TrialFiles]) -> None:
    """Let a new searcher begin with earlier trials; it does not propose those that failed.

    They are proposed by their architectures alone: the other entries of a config, such as the folder of its data, are
    those of this session.

    Args:
        searcher: Searcher that knows its mode.
        trials: Trials of another run, or of one that has no snapshot.
    """
    for trial in trials:
        if trial.failed:
            searcher.add_evaluated_point({"arch": trial.arch}, float("nan"), error=True)
        else:
            searcher.enqueue(trial.trial_id, {"arch": trial.arch})


def ended_by_itself(folder: RunFolder) -> bool:
    """Say whether Tune ended the experiment, by a stopper or for lack of architectures, and nobody stopped it."""
    for session in sessions(folder):
        count = read_count(folder, session)
        if count is not None:
            return bool(count["finished"])
    return False


def restored(folder: RunFolder, trainable: Any) -> tune.Tuner | None:
    """Restore the Tuner of a run that was reconciled; None if Tune's own file of it is damaged.

    Then the snapshots, which belong to that file, are put aside with it. No training is lost: each is in the files of
    its trial.

    Args:
        folder: Folder of the run.
        trainable: Trainable of the run.
    """
    try:
        return tune.Tuner.restore(str(folder), trainable, resume_unfinished=True)
    except Exception as error:  # of a damaged pickle, one of many
        _logger.warning(
            "%s of %s is damaged or gone (%s: %s): it is put aside with the snapshots that belong to it. What the "
            "trials have trained is kept, and reported again.",
            TUNER,
            folder,
            type(error).__name__,
            error,
        )
    for session in sessions(folder):
        put_aside(folder, session)
    if TUNER in folder.names():
        folder.rename(TUNER, f"damaged-{TUNER}")
    return None


def _restore(searcher: ArchitectureSearcher, folder: RunFolder, session: str) -> bool:
    """Restore a searcher from its state in a snapshot, and say whether there is a whole one.

    Raises:
        RunError: If the state is whole, and of another searcher or version.
    """
    content = read_searcher(folder, session)
    if content is None:
        return False
    with tempfile.TemporaryDirectory() as local:
        path = Path(local) / searcher_file(session)
        path.write_bytes(content)
        try:
            searcher.restore(str(path))
        except SearcherStateError as error:
            if _is_whole_archive(content):
                raise RunError(f"{folder} cannot be continued: {error} {remedy(folder)}") from error
            return False
    return True


def _is_whole_archive(content: bytes) -> bool:
    """Say whether a searcher's state has its end: the directory of a zip archive is the last that is written."""
    return b"PK\x05\x06" in content[-64:]


def _save(searcher: ArchitectureSearcher, folder: RunFolder, session: str) -> None:
    with tempfile.TemporaryDirectory() as local:
        path = Path(local) / searcher_file(session)
        searcher.save(str(path))
        folder.write_bytes(path.name, path.read_bytes())


def _lost_trials(
    searcher: ArchitectureSearcher, known: dict[str, KnownTrial], trials: list[TrialFiles]
) -> dict[str, dict[str, Any]]:
    """Find the trials that Tune does not know: those that have files, then those that were proposed only."""
    archs = {trial.arch for trial in known.values()}
    lost: dict[str, dict[str, Any]] = {}
    for trial in trials:
        if trial.arch not in archs:
            archs.add(trial.arch)
            lost[trial.trial_id] = trial.config
    for trial_id, record in searcher.observations.trials.items():
        if record.status == "pending" and record.arch not in archs:
            archs.add(record.arch)
            lost[trial_id] = {"arch": record.arch}
    return lost
