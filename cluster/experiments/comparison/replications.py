"""Replications: a method searches a column with one seed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.experiments.comparison.methods import METHODS, make_searcher, sources_of
from cluster.experiments.comparison.presets import Column
from cluster.experiments.protocol.fingerprints import digest_of_checkpoint, fingerprint
from cluster.experiments.replay.table import replay
from cluster.work.items import WorkItem
from mpnas_ray.errors import TableError
from mpnas_ray.tables import TableTask, load_tasks

__all__ = ["Replication", "Result", "compute", "identity", "replication_item"]


@dataclass(frozen=True)
class Replication:
    """A method that searches a column with a seed.

    Attributes:
        method: A name in `methods.METHODS`.
        column: The column.
        budget: Most queries.
        seed: Seed of the searcher.
    """

    method: str
    column: Column
    budget: int
    seed: int

    @property
    def name(self) -> str:
        """Name of its file, from the work folder, without ending."""
        task = self.column.searched.replace("/", ".")
        if self.column.all_devices and METHODS[self.method].transfers:
            task += ".all-devices"  # it knows other tasks than on the same column of another preset
        return f"{task}.{self.budget}/{self.method.replace(', ', '-')}.{self.seed}"


@dataclass(frozen=True, eq=False)
class Result:
    """The record of a replication.

    Attributes:
        archs: Architectures in the order in which they were asked for.
        scores: Scores of the searched task, higher is better, float64 ``[N]``; NaN where it has measured nothing.
        reported: Raw values of the reported task, float64 ``[N]``; NaN where it has measured nothing.
        seconds: CPU time of the run, without the reading of tables: other work on the machine changes it little.
        failures: Times that something went wrong inside the searcher, and it proposed at random.
    """

    archs: tuple[str, ...]
    scores: NDArray[np.float64]
    reported: NDArray[np.float64]
    seconds: float
    failures: int

    @classmethod
    def from_plain(cls, result: Mapping[str, Any]) -> Result:
        """Return the result that `compute` gave in plain values, None for NaN."""
        return cls(
            archs=tuple(result["archs"]),
            scores=np.array(result["scores"], dtype=np.float64),
            reported=np.array(result["reported"], dtype=np.float64),
            seconds=result["seconds"],
            failures=result["failures"],
        )


def replication_item(
    run: Replication, tasks: Mapping[str, TableTask], tables: Path, checkpoint: Path | None, expected: float = 1.0
) -> WorkItem:
    """Describe a replication as work, which is done in a process without Ray: there refits are made on the spot.

    Args:
        run: The replication.
        tasks: Tasks of the column, and all that methods may know.
        tables: Folder of NAS tables, which all nodes must reach.
        checkpoint: The predictor that the method uses, if it uses one; it must be there.
        expected: CPU seconds that it is thought to take.
    """
    return WorkItem(
        run.name,
        identity(run, tasks, checkpoint),
        partial(compute, run, tables, checkpoint),
        expected=expected,
        without_ray=True,
    )


def identity(run: Replication, tasks: Mapping[str, TableTask], checkpoint: Path | None) -> dict[str, Any]:
    """Return all that a replication depends on but the program.

    Args:
        run: The replication.
        tasks: Tasks of the column, and all that methods may know.
        checkpoint: The predictor that the method uses, if it uses one; it must be there.
    """
    method = METHODS[run.method]
    sources = sources_of(method, tasks[run.column.searched], tasks, run.column.sources)
    return {
        "method": run.method,
        "searcher": method.searcher.class_name,
        "arguments": {**method.searcher.arguments, **method.arguments},
        "searched": {run.column.searched: fingerprint(tasks[run.column.searched])},
        "reported": {run.column.reported: fingerprint(tasks[run.column.reported])},
        "sources": {name: fingerprint(task) for name, task in sources.items()},
        "predictor": None if checkpoint is None else digest_of_checkpoint(checkpoint),
        "budget": run.budget,
        "seed": run.seed,
    }


def compute(run: Replication, tables: Path, checkpoint: Path | None) -> dict[str, Any]:
    """Do a replication.

    Args:
        run: The replication.
        tables: Folder of NAS tables.
        checkpoint: The predictor that the method uses, if it uses one.

    Returns:
        The fields of a `Result`, in plain values.

    Raises:
        MPNASError: If tables or checkpoint cannot be read, or the checkpoint has seen the target.
    """
    method = METHODS[run.method]
    names = {run.column.searched, run.column.reported}
    if method.transfers:
        names |= set(run.column.sources)
    tasks = _tasks(tables, frozenset(names))
    target, reported = tasks[run.column.searched], tasks[run.column.reported]
    start = time.process_time()
    sources = sources_of(method, target, tasks, run.column.sources)
    searcher = make_searcher(method, target, sources, checkpoint, run.seed)
    asked = replay(searcher, target, run.budget)
    seconds = time.process_time() - start
    return {
        "seconds": seconds,
        "archs": list(asked.archs),
        "scores": _plain(asked.scores),
        "reported": _plain(np.array([_value(reported, arch) for arch in asked.archs])),
        "failures": searcher.num_failures,
    }


@lru_cache(maxsize=4)
def _tasks(tables: Path, names: frozenset[str]) -> dict[str, TableTask]:
    """Load tasks once a process, since replications of one column follow each other."""
    return load_tasks(tables, names)


def _value(task: TableTask, arch: str) -> float:
    try:
        return task.value_of(arch)
    except TableError:
        return float("nan")


def _plain(values: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]
