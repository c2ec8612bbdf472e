"""Run one session of a run: check and prepare all that needs no Ray, run the trials that are left, and finish."""

from __future__ import annotations

import os

import ray

from cluster.ray.addresses import check_ray
from cluster.ray.connection import connected
from cluster.run.assemble.costs import known_costs
from cluster.run.assemble.limits import size_limits
from cluster.run.assemble.supernet_score import supernet_weights
from cluster.run.assemble.zero_cost import zero_cost_score
from cluster.run.checking import check_config
from cluster.run.damage import extended_run
from cluster.run.html.writing import drawn_meanwhile
from cluster.run.record import RunRecord
from cluster.run.report import SearchReport, earlier_report
from cluster.storage.lock import locked
from cluster.storage.run_folder import RunFolder
from cluster.storage.shared_storage import check_shared
from cluster.storage.trial_files import TrialFiles, distinct, read_trials
from trainables import Task
from trainables.tasks.sources.summary import summary
from trainables.training.loop import check_batches, recipe_of

__all__ = ["run_session"]


def run_session(
    record: RunRecord,
    task: Task,
    folder: RunFolder,
    *,
    before: list[TrialFiles] | None = None,
    progress: bool,
) -> SearchReport:
    """Run the trials that are left in a folder, and report; a run that is complete gives its report again.

    Args:
        record: Record of the run, which is written if the run is new.
        task: Task of the run.
        folder: Folder of the run.
        before: Trials of the run that this one extends; they are read from there if None.
        progress: Print each step, and a line for each finished trial.
    """
    finished = earlier_report(folder)
    if finished is not None:
        from cluster.run.best_network import with_network

        return with_network(finished, folder, task, record)
    config = record.config
    check_config(config)
    check_ray()  # before what may take minutes
    if progress:
        print(f"Loading {task.name}.", flush=True)
    data = task.load_checked(record.data_path)  # here an error is one line, not one for each trial
    if progress and (lines := summary(task, data)):
        print(lines, flush=True)
    check_batches(task.name, recipe_of(task, record.constants()), len(data.train), config.workers_per_trial)
    limits, score = size_limits(config, task, data), zero_cost_score(config, task, data)
    known, weights = known_costs(config, task, data), supernet_weights(config, task)
    if progress and config.scheduler is not None and config.cost_names:
        print(
            f"{config.scheduler} stops trainings by the metric alone; those have no costs that trials measure at "
            f"their end, and are on the front only if no training is complete.",
            flush=True,
        )
    if before is None:
        before = distinct(read_trials(extended_run(record.extends, folder))) if record.extends else []
    if progress:
        _say_that_ray_starts()
    with drawn_meanwhile(folder), locked(folder), connected(dashboard=config.workers_per_trial > 1):
        # Imported late: Tune and the searchers' libraries take as long as all else together, and neither the error
        # that no Ray answers nor the first line of output should wait for them.
        from cluster.run.finish import finish
        from cluster.run.trials import Session, run_trials

        check_shared(folder)
        outcome = run_trials(Session(record, task, data, folder, limits, score, before, progress, known, weights))
        return finish(
            outcome.results, record, task, folder, concurrent=outcome.concurrent, start=outcome.start, known=known
        )


def _say_that_ray_starts() -> None:
    address = os.environ.get("RAY_ADDRESS")
    if not ray.is_initialized():
        print(f"Joining Ray at {address}." if address else "Starting Ray.", flush=True)
