"""Run Tune experiments whose trials cost nothing, so that only Tune and the searcher take time."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray import tune
from ray.tune.search import Searcher

from mpnas_ray.spaces import get_space
from mpnas_ray.tables import TableTask, write_task
from trainables import TabularTrainable

SPACE = "nasbench201"
NUM_CPUS = 2


@dataclass(frozen=True)
class Table:
    """A made-up table of all of a space on disk: times do not depend on what is measured."""

    folder: str
    task: TableTask

    def param_space(self, seconds: float) -> dict[str, Any]:
        return {"tables": self.folder, "table_task": self.task.name, "seconds": seconds}


def made_up_task() -> TableTask:
    """Make up a table of the whole space; times do not depend on its scores."""
    archs = get_space(SPACE).enumerate()
    raw = (archs.codes == 3).sum(axis=1) + np.random.default_rng(0).normal(scale=0.3, size=len(archs))
    return TableTask(f"{SPACE}/made-up", archs, raw, "score", "max", datasets=("made-up",))


def write_table(folder: Path) -> TableTask:
    """Write a made-up table of the whole space."""
    task = made_up_task()
    write_task(task, folder / "made-up.parquet")
    return task


@contextmanager
def cluster_and_table() -> Iterator[tuple[Table, Path]]:
    """Start Ray on this machine, and give the table and a folder for runs."""
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"  # its tables are printed even with verbose=0
    with tempfile.TemporaryDirectory() as folder:
        task = write_table(Path(folder))
        ray.init(num_cpus=NUM_CPUS, include_dashboard=False, log_to_driver=False)
        try:
            yield Table(folder, task), Path(folder) / "runs"
        finally:
            ray.shutdown()


def run(
    table: Table,
    storage: Path,
    num_samples: int,
    *,
    searcher: Searcher | None,
    seconds: float = 0.0,
    callbacks: Sequence[tune.Callback] = (),
    name: str | None = None,
) -> None:
    """Run one experiment with reused actors; without a searcher, Tune's own random search over all architectures."""
    param_space = table.param_space(seconds)
    if searcher is None:
        param_space["arch"] = tune.choice([str(arch) for arch in table.task.archs])
    tuner = tune.Tuner(
        TabularTrainable,
        param_space=param_space,
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            metric=table.task.metric,
            mode=table.task.mode,
            num_samples=num_samples,
            max_concurrent_trials=NUM_CPUS,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(name=name, storage_path=str(storage), callbacks=list(callbacks), verbose=0),
    )
    results = tuner.fit()
    assert len(results) == num_samples, f"{len(results)} of {num_samples} trials"
    assert not results.errors, results.errors[0]
