"""Read and write the files of Tune's snapshots of a run, whose format is not part of its documented interface.

A snapshot consists of three files of one session: the trials (``experiment_state``), the number of trials that were
created (``search_gen_state``) and the searcher's state (``searcher-state``). tests/cluster/ray/test_contracts.py checks
what these functions rely on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ray import cloudpickle
from ray.tune.experiment import Trial

from cluster.storage.run_folder import RunFolder
from mpnas_ray.errors import RunError
from mpnas_ray.ray_versions import TESTED_RAY, relying_on_ray

with relying_on_ray():
    from ray.tune.utils.serialization import _loads_with_cloudpickle

__all__ = [
    "TUNER",
    "KnownTrial",
    "put_aside",
    "read_count",
    "read_searcher",
    "read_trials_of",
    "remedy",
    "searcher_file",
    "sessions",
    "write_count",
]

TUNER = "tuner.pkl"
"""File with the Tuner of the run, which is written once and belongs to all of its snapshots."""

_TRIALS = ("experiment_state-", ".json")
_COUNT = ("search_gen_state-", ".json")
_SEARCHER = ("searcher-state-", ".pkl")
_FILES = (_TRIALS, _COUNT, _SEARCHER)


@dataclass(frozen=True)
class KnownTrial:
    """A trial as a snapshot knows it.

    Attributes:
        arch: Architecture string.
        status: Status of the trial in Tune's words.
        last_result: Last result that Tune has of it; empty if it has none.
    """

    arch: str
    status: str
    last_result: dict[str, Any]


def sessions(folder: RunFolder) -> list[str]:
    """List the names of Tune's sessions that left some file of a snapshot, the newest first."""
    top = folder.names()
    return sorted(
        {
            name[len(prefix) : -len(suffix)]
            for prefix, suffix in _FILES
            for name in top
            if name.startswith(prefix) and name.endswith(suffix)
        },
        reverse=True,
    )


def searcher_file(session: str) -> str:
    """Return the name of the file with the searcher's state."""
    return session.join(_SEARCHER)


def put_aside(folder: RunFolder, session: str) -> None:
    """Rename the files of a snapshot that cannot be used, which Tune would take for the newest."""
    there = folder.names()
    for name in map(session.join, _FILES):
        if name in there:
            folder.rename(name, f"damaged-{name}")


def read_trials_of(folder: RunFolder, session: str) -> dict[str, KnownTrial] | None:
    """Read the trials of a snapshot by their ids; None if its file is missing or was cut short.

    Raises:
        RunError: If the file is whole, and not one that a tested version of Tune writes.
    """
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
            known[str(state["trial_id"])] = KnownTrial(
                str(state["config"]["arch"]), str(state["status"]), dict(progress.get("last_result") or {})
            )
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise _unknown_format(folder, name, f" ({type(error).__name__}: {error})") from error
    return known if _is_readable(text) else None


def _is_readable(snapshot: str) -> bool:
    """Tell whether Tune can read what it has pickled inside of a snapshot, on which it would fail with any error."""
    try:
        content = _loads_with_cloudpickle(snapshot)  # type: ignore[no-untyped-call]
        if not isinstance(content["runner_data"], dict):
            return False
        for state, progress in content["trial_data"]:
            trial = Trial.from_json_state(state, stub=True)  # its trainable is not registered yet
            trial.restore_run_metadata(progress)
            if trial.storage is None:
                return False
    except Exception:
        return False
    return True


def read_count(folder: RunFolder, session: str) -> dict[str, Any] | None:
    """Read Tune's own record of how many trials were created; None if it is missing or was cut short.

    Returns:
        A dictionary with the entries ``counter``, ``finished`` and ``experiment``, and others of Tune's.

    Raises:
        RunError: If the file is whole, and not one that a tested version of Tune writes.
    """
    name = session.join(_COUNT)
    try:
        count: dict[str, Any] = cloudpickle.loads(folder.read_bytes(name) or b"")
        if {"counter", "finished", "experiment"} <= count.keys():
            return None if None in _storages(count) else count
    except Exception:  # the error of a pickle that was cut short depends on where it was
        return None
    raise _unknown_format(folder, name)


def write_count(folder: RunFolder, session: str, count: dict[str, Any]) -> None:
    """Write Tune's record of the trials that were created, which names the folder where it is now."""
    for storage in _storages(count):
        storage.storage_filesystem, path = folder.filesystem_and_path
        storage.storage_fs_path, storage.experiment_dir_name = path.rsplit("/", 1)
    folder.write_bytes(session.join(_COUNT), cloudpickle.dumps(count))  # type: ignore[no-untyped-call]


def _storages(count: dict[str, Any]) -> tuple[Any, Any]:
    """Return Tune's storage contexts of the run, which remember where it was started."""
    return count["experiment"].storage, count["experiment"].spec["storage"]


def read_searcher(folder: RunFolder, session: str) -> bytes | None:
    """Read the searcher's state of a snapshot; None if there is no such file."""
    try:
        return folder.read_bytes(session.join(_SEARCHER))
    except RunError:  # a folder of that name
        return None


def remedy(folder: RunFolder) -> str:
    """Say what can be done with a run whose snapshot cannot be continued."""
    return (
        f"Or begin a new run with what its trials have trained: mpnas extend {folder} --num-samples with a larger "
        f"number than its trials'."
    )


def _unknown_format(folder: RunFolder, name: str, details: str = "") -> RunError:
    return RunError(
        f"{folder}/{name} is not what a tested version of Ray Tune ({TESTED_RAY}) writes{details}: continue the run "
        f"with the version of Ray that it was started with. {remedy(folder)}"
    )
