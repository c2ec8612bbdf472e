"""Keep a record of the search in the folder of its run, so that the run can be continued by its name alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from cluster.run.config import SearchConfig
from cluster.storage.run_folder import RUN_FILE, RunFolder
from mpnas_ray.checks import require_count
from mpnas_ray.errors import MPNASError, RunError, TaskError
from mpnas_ray.files.json_records import from_plain
from trainables import Task, get_task

__all__ = ["DamagedRecordError", "RunRecord"]

_FORMAT = 3
"""Format of ``run.json`` and of the snapshots beside it; version 0.1, whose modules were elsewhere, wrote no number."""

_ELSEWHERE = ("storage", "name")
"""Fields of the config that are not written: the location of the folder tells them, and the folder may be moved."""

_FREE = (
    *_ELSEWHERE,
    "task",  # how it is found; its name must stay the same
    "max_concurrent",
    "cpus_per_trial",
    "gpus_per_trial",
    "gpu_memory_gb",
    "accelerator_type",
    "resources_per_trial",
    "trial_time_limit_s",
    "autoscaling",
    "data_dir",
    "data_in",
)
"""Fields of the config that may differ from one session of a run to the next."""

_REMEDY = (
    "What was trained is kept: the `mpnas search` command that started the run, with the same options and --name, "
    "goes on with it."
)


class DamagedRecordError(RunError):
    """The ``run.json`` of a run is damaged or gone; its trials may be whole."""


@dataclass(frozen=True)
class RunRecord:
    """The record of a run: the search that started it, kept as ``run.json`` in its folder.

    Attributes:
        config: The search with nothing left open: the task as all nodes find it, its epochs, files by whole paths.
        task_name: Name of the task.
        extends: The run whose results this one began with, or None; ``config.num_samples`` counts them.
        num_failed_before: Trials of that run that failed; they count, and are not repeated.
    """

    config: SearchConfig
    task_name: str
    extends: str | None = None
    num_failed_before: int = 0

    def __post_init__(self) -> None:
        require_count("epochs", self.config.epochs, 1, error=RunError)
        require_count("num_failed_before", self.num_failed_before, 0, error=RunError)

    @property
    def epochs(self) -> int:
        """Epochs of each training."""
        assert self.config.epochs is not None, "checked when it was made"
        return self.config.epochs

    @property
    def num_trials(self) -> int:
        """Trials that the run itself has when it is complete."""
        return self.config.num_samples - self.num_failed_before

    @property
    def data_path(self) -> Path | None:
        """Folder of the user's data files; None for the task's own."""
        return Path(self.config.data_dir) if self.config.data_dir else None

    def constants(self) -> dict[str, Any]:
        """Entries that every trial's config has beside ``arch``."""
        config = self.config
        constants = {"task": self.task_name, "preset": config.preset, "seed": config.seed, **config.recipe}
        optional = {
            "data_dir": config.data_dir,
            "data_in": None if config.data_in == "auto" else config.data_in,
            "time_limit_s": config.trial_time_limit_s,
        }
        latency = {"measure_latency": True, "latency_batch": config.latency_batch} if config.measures_latency else {}
        return {**constants, **latency, **{name: value for name, value in optional.items() if value is not None}}

    def to_json(self) -> str:
        """Write the content of the file."""
        content = {"format": _FORMAT, **asdict(self)}
        content["config"] = {name: value for name, value in content["config"].items() if name not in _ELSEWHERE}
        return json.dumps(content, indent=2) + "\n"

    def write(self, folder: RunFolder) -> None:
        """Write the file into a run's folder."""
        folder.write(RUN_FILE, self.to_json())

    @classmethod
    def read(cls, folder: RunFolder) -> RunRecord | None:
        """Read the record of a run; None if the folder is new.

        Raises:
            DamagedRecordError: If the file cannot be read, or is not there though the folder is not empty.
            RunError: If a version of another format started the run.
        """
        try:
            content = folder.read_json(RUN_FILE)
        except RunError as error:
            raise DamagedRecordError(f"{error} {_REMEDY}") from error
        if content is None:
            if not folder.is_empty():
                raise DamagedRecordError(
                    f"{folder} holds something else than a run of mpnas-ray: choose another --name. If it was one, its "
                    f"{RUN_FILE} is gone. {_REMEDY}"
                )
            return None
        _check_version(content, folder)
        try:
            record = from_plain(cls, {name: value for name, value in content.items() if name != "format"})
        except (ValueError, MPNASError) as error:
            raise DamagedRecordError(f"{folder}/{RUN_FILE} is damaged: {error}. {_REMEDY}") from error
        return replace(record, config=replace(record.config, storage=folder.storage, name=folder.name))

    @classmethod
    def of_run(cls, folder: RunFolder) -> RunRecord:
        """Read the record of a run that is there."""
        record = cls.read(folder)
        assert record is not None, "the folder is one of a run"
        return record

    def check_same(self, earlier: RunRecord, folder: RunFolder) -> None:
        """Refuse to continue a run that was started with another search.

        Raises:
            RunError: If something is different; the message names it.
        """
        mine, theirs = self._fixed(), earlier._fixed()
        differences = [f"{key} {theirs[key]!r}" for key in mine if mine[key] != theirs[key]]
        if differences:
            more = self.config.num_samples > earlier.config.num_samples
            extend = f" For more architectures, all else as it was: mpnas extend {folder} --num-samples "
            raise RunError(
                f"The run {folder} was started with {', '.join(differences)}: use the same to continue it, or another "
                f"--name.{f'{extend}{self.config.num_samples}' if more else ''}"
            )

    def _fixed(self) -> dict[str, Any]:
        """Return the values that all sessions of a run have in common."""
        config = {name: value for name, value in asdict(self.config).items() if name not in _FREE}
        return {"task": self.task_name, **config}

    def find_task(self, folder: RunFolder, given: Task | None = None) -> Task:
        """Return the task of the run, or the given one, which must have its name.

        Raises:
            RunError: If the given one has another name.
            TaskError: If none is given and `get_task` does not find it.
        """
        if given is not None:
            if given.name != self.task_name:
                raise RunError(f"{folder} is a search for task {self.task_name!r}, not {given.name!r}.")
            return given
        try:
            return get_task(self.config.task, self.config.data_options)
        except TaskError as error:
            raise TaskError(
                f"The task of {folder} cannot be found: {error} If only a program of yours knows it, go on "
                f"there: resume_search or extend_search with task=..."
            ) from error


def _check_version(content: Mapping[str, Any], folder: RunFolder) -> None:
    """Refuse the record of another version of mpnas-ray."""
    if "format" not in content and {"task", "searcher"} <= content.keys():
        raise RunError(
            f"{folder} was started with mpnas-ray 0.1, whose runs this version does not continue: go on with "
            f"mpnas-ray 0.1, or search under another --name."
        )
    config = content.get("config")
    known = {field.name for field in (*fields(RunRecord), *fields(SearchConfig))}
    found = {*content, *(config if isinstance(config, dict) else ())} - {"format"}
    number = content.get("format")
    if number != _FORMAT:
        raise RunError(
            f"{folder} was started with another version of mpnas-ray (format {number!r}), whose snapshots this version "
            "cannot read: go on with that version, or search under another --name."
        )
    if not found <= known:
        raise RunError(
            f"{folder} was started by a newer version of mpnas-ray, which knows of "
            f"{', '.join(sorted(found - known))}: continue it with that version."
        )
