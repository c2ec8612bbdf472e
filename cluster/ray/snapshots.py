"""Bringing Tune's snapshot of a stopped run in line with what its trials have written since.

A snapshot is three files of one session: the trials (``experiment_state``), how many were created
(``search_gen_state``) and the searcher's state. It is up to some seconds older than the trials' own files, and a kill
while it is copied to the run's folder leaves the three of different ages, or one of them cut short. So before Tune
reads it: the newest whole snapshot is taken, what of newer ones is damaged is put aside, the count is made that of the
trials and the place that of the folder, the searcher is told what the snapshot knows to be finished, and the trials
that the snapshot does not know are proposed again. Trained again is none of them
(`trainables.tune.trial.EarlierTraining`).
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import cloudpickle, tune
from ray.tune.experiment import Trial
from ray.tune.utils.serialization import _loads_with_cloudpickle

from cluster.storage.run_folder import RunFolder
from cluster.storage.trial_files import TrialFiles
from mpnas_ray.errors import RunError, SearcherStateError
from searchers import ArchitectureSearcher

__all__ = ["ended_by_itself", "enqueue_all", "reconcile", "restored"]

_logger = logging.getLogger(__name__)

_TUNER = "tuner.pkl"
_TRIALS = ("experiment_state-", ".json")
_COUNT = ("search_gen_state-", ".json")
_SEARCHER = ("searcher-state-", ".pkl")


@dataclass(frozen=True)
class _KnownTrial:
    """A trial as a snapshot knows it."""

    arch: str
    status: str
    last_result: dict[str, Any]


def reconcile(folder: RunFolder, trials: list[TrialFiles], make_searcher: Callable[[], ArchitectureSearcher]) -> bool:
    """Make the newest snapshot fit to continue from; tells whether there is one.

    Args:
        folder: Of the run.
        trials: What its trials' files hold.
        make_searcher: Gives a searcher as the run was started with.

    Raises:
        RunError: If a snapshot is not one that this version of Tune understands.
    """
    for session in _sessions(folder):
        known = _known_trials(folder, session)
        count = _read_count(folder, session)
        searcher = make_searcher()
        if not known or count is None or not _restore(searcher, folder, session):
            _logger.warning("The snapshot %s of %s is damaged: it is put aside, see docs/runs.md.", session, folder)
            _put_aside(folder, session)
            continue
        for trial_id, trial in known.items():
            if trial.status in ("TERMINATED", "ERROR"):
                searcher.on_trial_complete(trial_id, trial.last_result, error=trial.status == "ERROR")
        lost = _lost_trials(searcher, known, trials)
        for trial_id, config in lost.items():
            searcher.observations.trials.pop(trial_id, None)
            searcher.enqueue(trial_id, {"arch": config["arch"]})
        _save(searcher, folder, session)
        for storage in (count["experiment"].storage, count["experiment"].spec["storage"]):
            folder.be_storage_of(storage)
        count["counter"] = len(known)
        count["finished"] = count["finished"] and not lost
        folder.write_bytes(session.join(_COUNT), cloudpickle.dumps(count))  # type: ignore[no-untyped-call]
        return True
    return False


def enqueue_all(searcher: ArchitectureSearcher, trials: list[TrialFiles]) -> None:
    """Let a new searcher begin with trials of earlier; those that failed it will not propose.

    They are proposed by their architectures alone: the rest of a config is that of this session, as where its data are.

    Args:
        searcher: Knows its mode.
        trials: Of another run, or of one that has no snapshot.
    """
    for trial in trials:
        if trial.failed:
            searcher.add_evaluated_point({"arch": trial.arch}, float("nan"), error=True)
        else:
            searcher.enqueue(trial.trial_id, {"arch": trial.arch})


def ended_by_itself(folder: RunFolder) -> bool:
    """Whether Tune ended the experiment, by a stopper or for lack of architectures, rather than that it was stopped."""
    for session in _sessions(folder):
        count = _read_count(folder, session)
        if count is not None:
            return bool(count["finished"])
    return False


def _sessions(folder: RunFolder) -> list[str]:
    """Names of Tune's sessions that left some of a snapshot, the newest first."""
    top = folder.names()
    return sorted(
        {
            name[len(prefix) : -len(suffix)]
            for prefix, suffix in (_TRIALS, _COUNT, _SEARCHER)
            for name in top
            if name.startswith(prefix) and name.endswith(suffix)
        },
        reverse=True,
    )


def _known_trials(folder: RunFolder, session: str) -> dict[str, _KnownTrial] | None:
    """The trials of a snapshot by id; None if its file is missing or was cut short."""
    name = session.join(_TRIALS)
    try:
        text = folder.read(name) or ""
        content = json.loads(text)
    except (RunError, ValueError, RecursionError):
        return None
    try:
        known = {}
        for state_text, progress_text in content["trial_data"]:
            state, progress = json.loads(state_text), json.loads(progress_text)
            known[str(state["trial_id"])] = _KnownTrial(
                str(state["config"]["arch"]), str(state["status"]), dict(progress.get("last_result") or {})
            )
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise RunError(
            f"{folder}/{name} is not what Ray Tune 2.60 writes ({type(error).__name__}: {error}): continue the run "
            f"with the version of Ray that it was started with. {_remedy(folder)}"
        ) from error
    return known if _is_readable(text) else None


def _is_readable(snapshot: str) -> bool:
    """Whether Tune can read what it has pickled inside its snapshot; it would do so next, and end in any error."""
    try:
        content = _loads_with_cloudpickle(snapshot)  # type: ignore[no-untyped-call]
        if not isinstance(content["runner_data"], dict):
            return False
        for state, progress in content["trial_data"]:
            trial = Trial.from_json_state(state, stub=True)  # what it runs is not registered yet
            trial.restore_run_metadata(progress)
            if trial.storage is None:
                return False
    except Exception:
        return False
    return True


def restored(folder: RunFolder, trainable: Any) -> tune.Tuner | None:
    """The Tuner of a run that was reconciled; None if Tune's own file of it is damaged.

    What Tune has of the run is then put aside. Nothing that was trained is lost: it is in the trials' own files.

    Args:
        folder: Of the run.
        trainable: What it runs.
    """
    try:
        return tune.Tuner.restore(str(folder), trainable, resume_unfinished=True)
    except Exception as error:  # of a damaged pickle, one of many
        _logger.warning(
            "%s of %s is damaged or gone (%s: %s): it is put aside with the snapshots that belong to it. What the "
            "trials have trained is kept, and reported again.",
            _TUNER,
            folder,
            type(error).__name__,
            error,
        )
    for session in _sessions(folder):
        _put_aside(folder, session)
    if _TUNER in folder.names():
        folder.rename(_TUNER, f"damaged-{_TUNER}")
    return None


def _remedy(folder: RunFolder) -> str:
    return (
        f"Or begin a new run with what its trials have trained: mpnas extend {folder} --num-samples with a larger "
        f"number than its trials'."
    )


def _read_count(folder: RunFolder, session: str) -> dict[str, Any] | None:
    """Tune's own record of how many trials were created, pickled by Tune; None if it is missing or was cut short."""
    try:
        content = folder.read_bytes(session.join(_COUNT))
        count: dict[str, Any] = cloudpickle.loads(content or b"")
        if {"counter", "finished", "experiment"} <= count.keys():
            if count["experiment"].storage is None or count["experiment"].spec["storage"] is None:
                return None
            return count
    except Exception:  # what a pickle that was cut short raises depends on where
        return None
    raise RunError(
        f"{folder}/{session.join(_COUNT)} is not what Ray Tune 2.60 writes: continue the run with the version of Ray "
        f"that it was started with. {_remedy(folder)}"
    )


def _restore(searcher: ArchitectureSearcher, folder: RunFolder, session: str) -> bool:
    """Whether there is a whole state of the searcher; then it is restored."""
    try:
        content = folder.read_bytes(session.join(_SEARCHER))
    except RunError:  # a folder of that name
        return False
    if content is None:
        return False
    with tempfile.TemporaryDirectory() as local:
        path = Path(local) / session.join(_SEARCHER)
        path.write_bytes(content)
        try:
            searcher.restore(str(path))
        except SearcherStateError as error:
            if _is_whole_archive(content):
                raise RunError(f"{folder} cannot be continued: {error} {_remedy(folder)}") from error
            return False
    return True


def _is_whole_archive(content: bytes) -> bool:
    """Whether a searcher's state has its end: the directory of a zip archive is the last that is written."""
    return b"PK\x05\x06" in content[-64:]


def _save(searcher: ArchitectureSearcher, folder: RunFolder, session: str) -> None:
    with tempfile.TemporaryDirectory() as local:
        path = Path(local) / session.join(_SEARCHER)
        searcher.save(str(path))
        folder.write_bytes(session.join(_SEARCHER), path.read_bytes())


def _lost_trials(
    searcher: ArchitectureSearcher, known: dict[str, _KnownTrial], trials: list[TrialFiles]
) -> dict[str, dict[str, Any]]:
    """Trials that Tune does not know: those that have files, then those that were proposed and got no further."""
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


def _put_aside(folder: RunFolder, session: str) -> None:
    """Rename what there is of a snapshot that cannot be used: Tune would take it for the newest."""
    there = folder.names()
    for name in (session.join(_TRIALS), session.join(_COUNT), session.join(_SEARCHER)):
        if name in there:
            folder.rename(name, f"damaged-{name}")
