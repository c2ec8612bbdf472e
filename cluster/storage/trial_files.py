"""Read the folders of a run's trials without Tune.

Tune's snapshots of a run are older than what its trials have written, most of all than their checkpoints, which the
workers put there themselves. After a kill these files are the truth.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, TypeGuard

from cluster.storage.run_folder import RunFolder
from mpnas_ray.files.json_records import parse_json
from trainables.networks.named import network_name
from trainables.tune.checkpoint_files import RECORD_FILE, START_FILE, WEIGHTS_FILE
from trainables.tune.trial import EarlierTraining

__all__ = ["MAX_FAILURES", "TrialFiles", "distinct", "newest_trainings", "read_results", "read_trials"]

MAX_FAILURES = 2
"""Times that a trial may raise or lose its worker, node or storage, and is tried again from its last checkpoint. An
error of the network itself comes again each time, which costs little: it is trained no further."""

_FAILURE = re.compile(r"^Failure # (\d+) ", re.MULTILINE)
_RESULTS, _CONFIG, _ERROR, _CHECKPOINT = "result.json", "params.json", "error.txt", "checkpoint_"


@dataclass(frozen=True)
class TrialFiles:
    """One trial by its files.

    Attributes:
        trial_id: Name of its folder.
        config: Config of the trial: ``arch`` or ``model``, and all constants.
        result: Last result that it reported and that is still known; None if there is none.
        training: Newest whole checkpoint, if it has one.
        failed: Whether it raised, or was lost, more often than it is tried again.
    """

    trial_id: str
    config: dict[str, Any]
    result: dict[str, Any] | None
    training: EarlierTraining | None
    failed: bool

    @property
    def arch(self) -> str:
        """The architecture string, or the name of the network that is compared with."""
        return network_name(self.config)


def read_trials(folder: RunFolder) -> list[TrialFiles]:
    """Read all trials of a run whose config can be read, in the order of their last reports.

    Of results that a kill cut short, the whole lines count; of checkpoints, the whole ones.
    """
    contents: dict[str, dict[str, int]] = defaultdict(dict)
    for path, size in folder.files().items():
        trial_id, slash, rest = path.partition("/")
        if slash:
            contents[trial_id][rest] = size
    trials = [trial for trial_id, files in contents.items() if (trial := _read_trial(folder, trial_id, files))]
    return sorted(trials, key=lambda trial: ((trial.result or {}).get("timestamp", float("inf")), trial.trial_id))


def read_results(folder: RunFolder, trial_id: str) -> list[dict[str, Any]]:
    """Read all results that a trial has reported and whose lines are whole, in their order."""
    found = map(_parsed, (folder.read(f"{trial_id}/{_RESULTS}") or "").splitlines())
    return [result for result in found if _is_result(result)]


def distinct(trials: list[TrialFiles]) -> list[TrialFiles]:
    """Keep one trial for each architecture: a kill may leave two of the same, of which one that did not fail counts."""
    chosen: dict[str, TrialFiles] = {}
    for trial in sorted(trials, key=lambda trial: trial.failed):
        chosen.setdefault(trial.arch, trial)
    return list(chosen.values())


def newest_trainings(trials: list[TrialFiles]) -> dict[str, EarlierTraining]:
    """Return the furthest training of each architecture, by its string."""
    newest: dict[str, EarlierTraining] = {}
    for trial in trials:
        if trial.training and not trial.failed:
            known = newest.get(trial.arch)
            if known is None or (trial.training.epoch, trial.training.ended) > (known.epoch, known.ended):
                newest[trial.arch] = trial.training
    return newest


def _read_trial(folder: RunFolder, trial_id: str, files: dict[str, int]) -> TrialFiles | None:
    """Read the folder of a trial; None for a folder that is not a trial's, or that holds nothing of use."""
    result = _last_result(folder.read(f"{trial_id}/{_RESULTS}")) if _RESULTS in files else None
    logged, stopped = (result or {}).get("epoch", 0), bool((result or {}).get("done"))
    name, record = _newest_checkpoint(folder, trial_id, files, logged if stopped else None)
    config = record["config"] if record else (result or {}).get("config")
    for name_of_config in (_CONFIG, START_FILE):
        if config is None and name_of_config in files:
            config = _parsed(folder.read(f"{trial_id}/{name_of_config}"))
    if not isinstance(config, dict) or not isinstance(config.get("arch", config.get("model")), str):
        return None
    if "arch" in config and "model" in config:
        return None
    training = None
    if record:
        epoch = record["result"]["epoch"]
        ended = bool(record["result"]["done"]) or (stopped and logged <= epoch)
        training = EarlierTraining(folder.place_of(f"{trial_id}/{name}"), epoch, ended)
        if logged < epoch:  # the worker was ahead of Tune, which adds the time of a report
            reported = {"timestamp": result["timestamp"]} if result and "timestamp" in result else {}
            result = {**record["result"], **reported}
    return TrialFiles(trial_id, config, result, training, failed=_num_failures(folder, trial_id, files) > MAX_FAILURES)


def _newest_checkpoint(
    folder: RunFolder, trial_id: str, files: dict[str, int], stopped_at: int | None
) -> tuple[str, dict[str, Any] | None]:
    """Return name and record of the whole checkpoint with the most epochs.

    Where Tune stopped the trial at an epoch, its checkpoint comes first: workers of Ray Train go on for a while.
    """
    newest: tuple[bool, int, str, dict[str, Any] | None] = (False, 0, "", None)
    for path in files:
        name, _, file = path.partition("/")
        if not name.startswith(_CHECKPOINT) or file != RECORD_FILE:
            continue
        record = _parsed(folder.read(f"{trial_id}/{path}"))
        if not record or record.get("bytes") != files.get(f"{name}/{WEIGHTS_FILE}"):
            continue
        result = record.get("result")
        if not (_is_result(result) and {"epoch", "done"} <= result.keys() and isinstance(record.get("config"), dict)):
            continue
        found = (result["epoch"] == stopped_at, result["epoch"], name, record)
        newest = max(newest, found, key=lambda each: each[:3])
    return newest[2:]


def _num_failures(folder: RunFolder, trial_id: str, files: dict[str, int]) -> int:
    """Return how often a trial failed by Tune's file, which stays when a later try succeeds."""
    text = folder.read(f"{trial_id}/{_ERROR}") if _ERROR in files else None
    return max((int(number) for number in _FAILURE.findall(text or "")), default=0)


def _last_result(text: str | None) -> dict[str, Any] | None:
    """Return the last whole result of JSON lines; Tune writes each with its line end."""
    for line in reversed((text or "").splitlines()):
        parsed = _parsed(line)
        if _is_result(parsed):
            return parsed
    return None


def _is_result(found: object) -> TypeGuard[dict[str, Any]]:
    """Say whether it is a report of a trial, as far as this module reads it."""
    if not isinstance(found, dict):
        return False
    timestamp, epoch = found.get("timestamp", 0), found.get("epoch", 0)
    return isinstance(timestamp, int | float) and abs(timestamp) < 1e15 and type(epoch) is int and epoch >= 0


def _parsed(text: str | None) -> dict[str, Any] | None:
    try:
        content = parse_json(text or "")
    except ValueError:
        return None
    return content if isinstance(content, dict) else None
