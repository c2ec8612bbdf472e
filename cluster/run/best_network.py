"""Check the best network of a complete run, and make it again if it cannot be read."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import replace
from pathlib import Path

from ray import tune

from cluster.run.record import RunRecord
from cluster.run.report import SearchReport
from cluster.storage.run_folder import RunFolder
from cluster.storage.trial_files import read_trials
from mpnas_ray.errors import MPNASError, TaskError
from trainables import Task, load_network
from trainables.networks import save_network
from trainables.tune.trial import score_test

__all__ = ["network_problem", "with_network"]

_logger = logging.getLogger(__name__)


def network_problem(folder: str) -> str | None:
    """Say why a saved network cannot be read; None if it can."""
    try:
        load_network(folder)
    except TaskError as error:
        return str(error)
    return None


def with_network(report: SearchReport, folder: RunFolder, task: Task, record: RunRecord) -> SearchReport:
    """Check the best network of a complete run, and make it again if it is gone and its checkpoint is there.

    Args:
        report: Report of the run.
        folder: Folder of the run.
        task: Task of the run.
        record: Record of the run.

    Returns:
        The report, which says whether the network is there.
    """
    problem = network_problem(report.network)
    if problem is None:
        return report
    for trial in read_trials(folder):
        if trial.arch != report.best_arch or trial.training is None or trial.training.epoch == 0:
            continue
        data_dir = {} if record.config.data_dir is None else {"data_dir": record.config.data_dir}
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
