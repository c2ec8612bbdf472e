"""Runs whose files are damaged: what can be saved is, and the rest is named.

The results of a run are in the folders of its trials, each for itself. So settings and a report that are damaged, and a
best network that is gone, are made again from these; `cluster.ray.snapshots` does the same with Tune's snapshots. What
is damaged is put aside under another name and not deleted.
"""

from __future__ import annotations

import logging
import tempfile
from dataclasses import replace
from pathlib import Path

from ray import tune

from cluster.run.report import SearchReport
from cluster.run.settings import DamagedSettingsError, RunSettings
from cluster.storage.run_folder import SETTINGS_FILE, RunFolder
from cluster.storage.trial_files import read_trials
from mpnas_ray.errors import MPNASError, RunError, TaskError
from mpnas_ray.spaces import get_space
from trainables import Task, load_network
from trainables.networks import save_network
from trainables.tune.trial import score_test

__all__ = ["extended_run", "network_problem", "settings_before", "with_network"]

_logger = logging.getLogger(__name__)


def settings_before(folder: RunFolder, settings: RunSettings) -> RunSettings | None:
    """The settings that a folder's run was started with; None if it is new.

    Where they are damaged or gone but all trials were run as ``settings`` say, these take their place.

    Raises:
        RunError: If the folder holds something else, or the settings are damaged and the trials are of others.
    """
    try:
        return RunSettings.read(folder)
    except DamagedSettingsError as error:
        trials = read_trials(folder)
        space, constants = get_space(settings.space), settings.constants()
        constants.pop("data_dir", None)  # may be another in each session
        constants.pop("time_limit_s", None)
        for trial in trials:
            others = {name: trial.config.get(name) for name in constants if trial.config.get(name) != constants[name]}
            if others or trial.arch not in space:
                asked = ", ".join(f"{name} {value!r}" for name, value in others.items())
                raise RunError(
                    f"{error} But trial {trial.trial_id} was run with {asked or f'the architecture {trial.arch}'}."
                ) from error
        if not trials:
            raise
        if SETTINGS_FILE in folder.names():
            folder.rename(SETTINGS_FILE, f"damaged-{SETTINGS_FILE}")
        _logger.warning("%s/%s was damaged or gone: it is written again as this search says.", folder, SETTINGS_FILE)
        settings.write(folder)
        return settings


def extended_run(place: str, folder: RunFolder) -> RunFolder:
    """The run that another one extends, by what its settings say, or beside it where both were moved together.

    Raises:
        RunError: If it is in neither place.
    """
    beside = folder.sibling(place.partition("?")[0].rstrip("/").rpartition("/")[2])
    for there in (place, beside):
        try:
            return RunFolder.of_run(there)
        except RunError:  # noqa: PERF203  (two places)
            continue
    raise RunError(f"{folder} begins with the results of {place}, which is not there: put it back, or to {beside}.")


def network_problem(place: str) -> str | None:
    """Why a saved network cannot be read; None if it can."""
    try:
        load_network(place)
    except TaskError as error:
        return str(error)
    return None


def with_network(report: SearchReport, folder: RunFolder, task: Task, settings: RunSettings) -> SearchReport:
    """The report of a complete run, its best network made again if it is gone and its checkpoint is there.

    Args:
        report: Of the run.
        folder: Of the run.
        task: Of the run.
        settings: Of the run.

    Returns:
        The report, which says whether the network is there.
    """
    problem = network_problem(report.network)
    if problem is None:
        return report
    for trial in read_trials(folder):
        if trial.arch != report.best_arch or trial.training is None or trial.training.epoch == 0:
            continue
        data_dir = {} if settings.data_dir is None else {"data_dir": settings.data_dir}
        scores = {f"validation_{report.metric}": report.validation, f"test_{report.metric}": report.test}
        try:
            with tune.Checkpoint(trial.training.checkpoint).as_directory() as checkpoint:
                config = {**trial.config, **data_dir, "device": "cpu"}
                network = score_test(config, task, checkpoint, scores)
            with tempfile.TemporaryDirectory() as local:
                save_network(Path(local), network)
                folder.upload(Path(local), "best")
        except (MPNASError, OSError) as error:
            problem = f"{problem} It cannot be made again: {error}"
            continue
        _logger.warning("%s It was made again from the checkpoint of trial %s.", problem, trial.trial_id)
        return report
    _logger.warning("%s", problem)
    return replace(report, has_network=False)
