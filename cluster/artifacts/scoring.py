"""Score architectures by zero-cost proxies on Ray, one table for each proxy: ``mpnas score``."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cluster.artifacts.config import ScoringConfig
from cluster.work.folders import check_folders
from cluster.work.items import Store, WorkItem
from cluster.work.running import run_missing
from mpnas_ray.errors import RunError
from mpnas_ray.spaces import Architectures, SearchSpace, get_space
from mpnas_ray.tables import TableTask, write_task
from mpnas_ray.tables.schema import task_card
from mpnas_ray.tables.stratified import draw_stratified
from trainables.data_options import DataOptions
from trainables.proxies import ProxySettings, ZeroCostScore, get_proxy
from trainables.tasks.core.cache import check_data_dir
from trainables.tasks.core.task import Task, get_task, task_reference
from trainables.tasks.sources.task_of_files import plain_options

__all__ = ["ScoreReport", "ScoredTable", "score_architectures"]

_CHUNK = 25
"""Architectures of one item of work: some seconds of most proxies."""
_LICENCE = "Apache-2.0"


@dataclass(frozen=True)
class ScoredTable:
    """A table that was written.

    Attributes:
        path: File of the table.
        name: Name of its task, for `mpnas_ray.tables.load_tasks`.
        scored: Number of architectures in it.
        without_score: Number of those that are not in it, since their value is not finite.
        seconds: Seconds for one architecture.
    """

    path: Path
    name: str
    scored: int
    without_score: int
    seconds: float


@dataclass(frozen=True)
class ScoreReport:
    """All tables that were written."""

    tables: tuple[ScoredTable, ...]

    def __str__(self) -> str:
        """Return a line for each table."""
        lines = []
        for table in self.tables:
            left_out = f", {table.without_score:,} left out without a finite one" if table.without_score else ""
            lines.append(
                f"{table.path}: {table.name}, {table.scored:,} scores{left_out}, {1e3 * table.seconds:.1f} ms each"
            )
        return "\n".join(lines)


def score_architectures(config: ScoringConfig) -> ScoreReport:
    """Score architectures by zero-cost proxies, one table for each proxy, as ``mpnas score`` does.

    Architectures are those of `draw_stratified`, seed 0, as of `mpnas tables build`; of a space that has no more than
    ``num_archs`` different ones, all. A table is called ``<space>/<task>-<proxy>``. It is a task of its own, no variant
    of another one, and so learned from by ``mpnas meta-train`` where it lies in the folder of tables. It depends on the
    task's data set, and is left out where that is held out. The settings of the proxies stand in each table's source.

    Raises:
        RunError: If a table is there with other settings, or when all is done, if some of it failed.
        RunInterruptedError: After Ctrl-C; what was scored is kept, and the same call goes on.
        MPNASError: If a name, number or file is wrong; the message says which.
    """
    settings = ProxySettings(
        preset=config.preset,
        batch_size=config.batch_size,
        seed=config.seed,
        inputs=config.inputs,  # type: ignore[arg-type]  # checked there
    )
    searched, task, options = get_space(config.space), task_reference(config.task), DataOptions.of(config)
    get_task(task, options)
    for name in config.proxies:
        get_proxy(name)
    data_path, device = check_data_dir(config.data_dir), "cuda" if config.gpus else "cpu"
    scores = {
        name: ZeroCostScore(task, name, **asdict(settings), data_dir=data_path, device=device, options=options)
        for name in config.proxies
    }
    for name, score in scores.items():  # here an error is one line, not one for each item
        get_proxy(name).check(replace(score, device="cpu").probe.batch)
    folder = Path(config.out).resolve()
    work_folder = Path(config.work).resolve() if config.work else folder / "work"
    tables = {name: _Table(searched, get_task(task, options), name, settings) for name in scores}
    for table in tables.values():
        table.check_same(folder)
    check_folders(folder, work_folder)
    archs = _choose(searched, config.num_archs)
    items = {name: _items(score, archs) for name, score in scores.items()}
    every = [item for of_proxy in items.values() for item in of_proxy]
    results = run_missing(every, Store(work_folder), gpus=config.gpus)
    return ScoreReport(
        tuple(tables[name].write(archs, [results[item.name] for item in items[name]], folder) for name in tables)
    )


def _choose(space: SearchSpace, num_archs: int) -> Architectures:
    if space.enumerable and len(space.distinct()) <= num_archs:
        return space.distinct()
    return draw_stratified(space, num_archs)


def _items(score: ZeroCostScore, archs: Architectures) -> list[WorkItem]:
    """Divide architectures into items of some seconds of most proxies."""
    texts = [str(arch) for arch in archs]
    chunks = [tuple(texts[start : start + _CHUNK]) for start in range(0, len(texts), _CHUNK)]
    task = get_task(score.task, score.options)
    folder = f"{archs.space.name}.{task.name}"
    return [
        WorkItem(
            f"{folder}/{score.proxy}.{number:05}",
            {"archs": list(chunk), "settings": asdict(score.settings), **plain_options(task)},
            partial(_score, score, chunk),
            expected=len(chunk),
        )
        for number, chunk in enumerate(chunks)
    ]


def _score(score: ZeroCostScore, texts: Sequence[str]) -> dict[str, Any]:
    """Score architectures; None stands for a score that is not finite."""
    archs = Architectures.of(texts)
    assert score.probe  # data are read outside the time that is taken
    start = time.perf_counter()
    scores = score(archs)
    seconds = time.perf_counter() - start
    return {"scores": [value if math.isfinite(value) else None for value in scores.tolist()], "seconds": seconds}


@dataclass(frozen=True)
class _Table:
    """A table to be: the scores of one proxy on one task."""

    space: SearchSpace
    task: Task
    proxy: str
    settings: ProxySettings

    @property
    def source(self) -> str:
        """The source of the scores: who computed them, and how."""
        given = [f", {name} {value}" for name, value in plain_options(self.task).items()]
        return f"mpnas-ray, mpnas score: {self.settings}{''.join(given)}"

    def path(self, folder: Path) -> Path:
        """Return the file of the table."""
        return folder / f"{self.space.name}.{self.task.name}.{self.proxy}.parquet"

    def check_same(self, folder: Path) -> None:
        """Refuse to replace a table of other settings."""
        path = self.path(folder)
        if path.exists() and (there := task_card(path)["source"]) != self.source:
            raise RunError(f"{path} holds scores of {there!r}, not {self.source!r}: choose another --out.")

    def write(self, archs: Architectures, results: Sequence[Mapping[str, Any]], folder: Path) -> ScoredTable:
        """Write the table from the results of its items."""
        task, name = self.task, f"{self.space.name}/{self.task.name}-{self.proxy}"
        scores = np.array([score for result in results for score in result["scores"]], dtype=np.float64)
        finite = np.isfinite(scores)
        if not finite.any():
            raise RunError(f"No architecture of {self.space.name} has a finite {self.proxy} on {task.name}.")
        table = TableTask(
            name=name,
            archs=archs[finite],
            raw=scores[finite],
            metric=self.proxy,
            mode="max",
            datasets=(task.family or task.name,),
            columns=("value",),
            source=self.source,
            licence=_LICENCE,
        )
        write_task(table, self.path(folder))
        seconds = sum(result["seconds"] for result in results) / len(archs)
        return ScoredTable(self.path(folder), name, int(finite.sum()), int((~finite).sum()), seconds)
