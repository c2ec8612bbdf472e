"""One run: a contestant searches a column with one seed, and leaves one file.

``<work>/<searched task>.<budget>/<contestant>.<seed>.json`` holds all that was asked and found, and everything that it
depends on but the program (`Run.identity`); it is written whole, last.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.experiments.comparison.contestants import CONTESTANTS, make_searcher, sources_of
from cluster.experiments.comparison.presets import Column
from cluster.experiments.replay.table import replay
from cluster.work.result_files import versions, write_whole
from mpnas_ray.errors import TableError
from mpnas_ray.tables import TableTask, load_tasks

__all__ = ["Finding", "Run", "compute", "identity", "read"]

_KIND = "mpnas-ray run of a comparison"
_FORMAT = 1


@dataclass(frozen=True)
class Run:
    """Who searches what, with which seed.

    Attributes:
        contestant: A name in `contestants.CONTESTANTS`.
        column: What is searched and reported.
        budget: Most queries.
        seed: Of the searcher.
    """

    contestant: str
    column: Column
    budget: int
    seed: int

    @property
    def name(self) -> str:
        """Its file, from the work folder, without ending."""
        task = self.column.searched.replace("/", ".")
        if self.column.all_devices and CONTESTANTS[self.contestant].transfers:
            task += ".all-devices"  # it knows other tasks than on the same column of another preset
        return f"{task}.{self.budget}/{self.contestant.replace(', ', '-')}.{self.seed}"


@dataclass(frozen=True, eq=False)
class Finding:
    """What a run found.

    Attributes:
        archs: As they were asked for.
        scores: Of the searched task, higher is better, float64 ``[N]``; NaN where the table has measured nothing.
        reported: Raw values of the reported task, float64 ``[N]``; NaN where it has measured nothing.
        seconds: CPU time of the run, without the reading of tables: other work on the machine changes it little.
        failures: Times that something went wrong inside the searcher, and it proposed at random.
        versions: Of what computed it.
    """

    archs: tuple[str, ...]
    scores: NDArray[np.float64]
    reported: NDArray[np.float64]
    seconds: float
    failures: int
    versions: dict[str, str]


def identity(run: Run, tasks: Mapping[str, TableTask], checkpoint: Path | None) -> dict[str, Any]:
    """All that a run depends on but the program: a file with another identity is not this run's.

    Args:
        run: Which.
        tasks: Those of the column, and all that contestants may know.
        checkpoint: The predictor that the contestant uses, if it uses one; it must be there.
    """
    contestant = CONTESTANTS[run.contestant]
    sources = sources_of(contestant, tasks[run.column.searched], tasks, run.column.sources)
    return {
        "contestant": run.contestant,
        "searcher": contestant.searcher.class_name,
        "arguments": {**contestant.searcher.arguments, **contestant.arguments},
        "searched": {run.column.searched: _fingerprint(tasks[run.column.searched])},
        "reported": {run.column.reported: _fingerprint(tasks[run.column.reported])},
        "sources": {name: _fingerprint(task) for name, task in sources.items()},
        "predictor": None if checkpoint is None else _digest(checkpoint.with_name(f"{checkpoint.name}.safetensors")),
        "budget": run.budget,
        "seed": run.seed,
    }


def compute(run: Run, tables: Path, checkpoint: Path | None, work: Path) -> float:
    """Do a run and write its file.

    Args:
        run: Which.
        tables: Folder of NAS tables.
        checkpoint: The predictor that the contestant uses, if it uses one.
        work: Folder of the runs.

    Returns:
        The seconds it took, see `Finding`.

    Raises:
        MPNASError: If tables or checkpoint cannot be read, or the checkpoint has seen the target.
    """
    contestant = CONTESTANTS[run.contestant]
    names = {run.column.searched, run.column.reported}
    if contestant.transfers:
        names |= set(run.column.sources)
    tasks = _tasks(tables, frozenset(names))
    target, reported = tasks[run.column.searched], tasks[run.column.reported]
    settings = identity(run, tasks, checkpoint)
    start = time.process_time()
    sources = sources_of(contestant, target, tasks, run.column.sources)
    searcher = make_searcher(contestant, target, sources, checkpoint, run.seed)
    asked = replay(searcher, target, run.budget)
    seconds = time.process_time() - start
    content = {
        "kind": _KIND,
        "format": _FORMAT,
        "identity": settings,
        "versions": versions(),
        "seconds": seconds,
        "archs": asked.archs,
        "scores": _plain(asked.scores),
        "reported": _plain(np.array([_value(reported, arch) for arch in asked.archs])),
        "failures": searcher.num_failures,
    }
    write_whole(_file(work, run), json.dumps(content, allow_nan=False) + "\n")
    return seconds


def read(run: Run, work: Path, expected: Mapping[str, Any]) -> Finding | None:
    """What a run found, or None if it must be done: no file, a damaged one, or one of another identity."""
    try:
        content = json.loads(_file(work, run).read_text(encoding="utf-8"))
        if (content["kind"], content["format"], content["identity"]) != (_KIND, _FORMAT, expected):
            return None
        finding = Finding(
            archs=tuple(map(str, content["archs"])),
            scores=np.array(content["scores"], dtype=np.float64),  # None becomes NaN
            reported=np.array(content["reported"], dtype=np.float64),
            seconds=float(content["seconds"]),
            failures=int(content["failures"]),
            versions=dict(content["versions"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    lengths = {len(finding.archs), len(finding.scores), len(finding.reported)}
    return finding if len(lengths) == 1 and finding.archs else None


@lru_cache(maxsize=4)
def _tasks(tables: Path, names: frozenset[str]) -> dict[str, TableTask]:
    """Read once a process: runs of one column follow each other."""
    return load_tasks(tables, names)


@lru_cache(maxsize=256)
def _fingerprint(task: TableTask) -> str:
    return hashlib.sha256(task.archs.codes.tobytes() + task.scores.tobytes()).hexdigest()[:16]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _value(task: TableTask, arch: str) -> float:
    try:
        return task.value_of(arch)
    except TableError:
        return float("nan")


def _plain(values: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]


def _file(work: Path, run: Run) -> Path:
    return work / f"{run.name}.json"
