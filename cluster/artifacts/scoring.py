"""Score architectures by zero-cost proxies on Ray, a table each: ``mpnas score``."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cluster.ray.connection import connected, most_concurrent
from cluster.ray.resources import check_gpus
from cluster.work.pool import Job, side_by_side
from cluster.work.result_files import check_folders, make_folders, versions
from mpnas_ray.checks import require_count
from mpnas_ray.errors import RunError
from mpnas_ray.files.atomic import write_atomic
from mpnas_ray.spaces import Architectures, SearchSpace, get_space
from mpnas_ray.tables import TableTask, write_task
from mpnas_ray.tables.schema import task_card
from mpnas_ray.tables.stratified import draw_stratified
from trainables.proxies import ProxySettings, ZeroCostScore, get_proxy
from trainables.tasks.core.cache import check_data_dir
from trainables.tasks.core.task import get_task, task_reference

__all__ = ["ScoreReport", "ScoredTable", "score_proxies"]

_KIND, _FORMAT = "mpnas-ray zero-cost scores", 1
_CHUNK = 25
"""Architectures of one unit of work: some seconds of most proxies."""
_LICENCE = "Apache-2.0"
_DEFAULT = ProxySettings()


@dataclass(frozen=True)
class ScoredTable:
    """One file that was written.

    Attributes:
        path: Of the table.
        name: Of its task, for `mpnas_ray.tables.load_tasks`.
        scored: Architectures in it.
        without_score: Those that are not in it, since their value is not finite.
        seconds: For one architecture.
    """

    path: Path
    name: str
    scored: int
    without_score: int
    seconds: float


@dataclass(frozen=True)
class ScoreReport:
    """All files that were written."""

    tables: tuple[ScoredTable, ...]

    def __str__(self) -> str:
        """For people."""
        lines = []
        for table in self.tables:
            left_out = f", {table.without_score:,} left out without a finite one" if table.without_score else ""
            lines.append(
                f"{table.path}: {table.name}, {table.scored:,} scores{left_out}, {1e3 * table.seconds:.1f} ms each"
            )
        return "\n".join(lines)


def score_proxies(
    space: str,
    task: str,
    proxies: Sequence[str],
    *,
    num_archs: int = 1000,
    settings: ProxySettings = _DEFAULT,
    out: str | Path = "scores",
    work: str | Path | None = None,
    gpus: float = 0.0,
    data_dir: str | Path | None = None,
) -> ScoreReport:
    """Score architectures by zero-cost proxies, a table each: what ``mpnas score`` does.

    Architectures are those of `draw_stratified`, seed 0, as of `mpnas tables build`; of a space that has no more than
    ``num_archs`` different ones, all. A table is called ``<space>/<task>-<proxy>``. It is a task of its own, no variant
    of another one, and so learned from by ``mpnas meta-train`` where it lies in the folder of tables. It depends on the
    task's data set, and is left out where that is held out.

    Args:
        space: Name of the search space.
        task: Name of a task (`trainables.get_task`), which all nodes must know.
        proxies: Names of proxies.
        num_archs: How many architectures.
        settings: What values depend on besides; in each table's source.
        out: Folder of the tables.
        work: Folder of the single units, which all nodes must reach; ``<out>/work`` if None.
        gpus: Of each worker; a fraction lets several share one.
        data_dir: Where the user's data files are; the task's own place if None.

    Raises:
        RunError: If a table is there with other settings, or when all is done, if units failed.
        RunInterruptedError: After Ctrl-C; what was scored is kept, and the same call goes on.
        MPNASError: If something was asked for that cannot be.
    """
    num_archs = require_count("num_archs", num_archs, error=RunError)
    gpus = check_gpus("gpus", gpus)
    if not proxies or isinstance(proxies, str):
        raise RunError(f"Scoring needs a proxy: proxies must be a list of names, not {proxies!r}.")
    searched, task = get_space(space), task_reference(task)
    get_task(task)
    names = list(dict.fromkeys(proxies))
    for name in names:
        get_proxy(name)
    data_path = check_data_dir(data_dir)
    scores = {
        name: ZeroCostScore(task, name, **asdict(settings), data_dir=data_path, device="cuda" if gpus else "cpu")
        for name in names
    }
    for name, score in scores.items():  # here an error is one line, not one for each unit
        get_proxy(name).check(replace(score, device="cpu").probe.batch)
    folder = Path(out).resolve()
    work_folder = Path(work).resolve() if work else folder / "work"
    tables = {name: _Table(searched, task, name, settings) for name in names}
    for table in tables.values():
        table.check_same(folder)
    check_folders(folder, work_folder)
    archs = _choose(searched, num_archs)
    units = {
        name: [
            _Unit(scores[name], number, tuple(str(arch) for arch in chunk))
            for number, chunk in enumerate(_chunks(archs))
        ]
        for name in names
    }
    everything = [unit for of_proxy in units.values() for unit in of_proxy]
    jobs = {unit.name: Job((unit, work_folder), len(unit.archs)) for unit in everything if not unit.read(work_folder)}
    if jobs:
        with connected():
            most_concurrent({"CPU": 1.0, "GPU": gpus})
            make_folders(folder, work_folder)
            failures = side_by_side(_score, jobs, gpus=gpus)
        if failures:
            lines = "".join(f"\n  {name}: {error}" for name, error in failures.items())
            raise RunError(f"{len(failures)} units failed; the same command does these again:{lines}")
    return ScoreReport(tuple(tables[name].write(archs, units[name], folder, work_folder) for name in names))


def _choose(space: SearchSpace, num_archs: int) -> Architectures:
    if space.enumerable and len(space.distinct()) <= num_archs:
        return space.distinct()
    return draw_stratified(space, num_archs)


def _chunks(archs: Architectures) -> list[Architectures]:
    return [archs[start : start + _CHUNK] for start in range(0, len(archs), _CHUNK)]


@dataclass(frozen=True)
class _Unit:
    """Some architectures to be scored by one proxy, which leave a file."""

    score: ZeroCostScore
    number: int
    archs: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its file, from the work folder, without ending."""
        space = self.archs[0].partition(":")[0]
        return f"{space}.{get_task(self.score.task).name}/{self.score.proxy}.{self.number:05}"

    def told(self) -> dict[str, Any]:
        """What the scores depend on."""
        settings = asdict(self.score.settings)
        return {"kind": _KIND, "format": _FORMAT, "archs": list(self.archs), "settings": settings}

    def read(self, work: Path) -> Mapping[str, Any] | None:
        """The content of the file; None if there is none, a damaged one, or one of something else."""
        try:
            content = json.loads((work / f"{self.name}.json").read_text(encoding="utf-8"))
            same = all(content[key] == value for key, value in self.told().items())
            whole = len(content["scores"]) == len(self.archs) and content["seconds"] >= 0
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return content if same and whole else None


def _score(unit: _Unit, work: Path) -> float:
    """In a worker: score, and write the unit's file; gives the seconds."""
    archs = Architectures.of(unit.archs)
    assert unit.score.probe  # data are read outside the time that is taken
    start = time.perf_counter()
    scores = unit.score(archs)
    seconds = time.perf_counter() - start
    plain = [score if math.isfinite(score) else None for score in scores.tolist()]
    content = {**unit.told(), "scores": plain, "seconds": seconds, "versions": versions()}
    write_atomic(work / f"{unit.name}.json", json.dumps(content, allow_nan=False) + "\n")
    return seconds


@dataclass(frozen=True)
class _Table:
    """The scores of one proxy on one task."""

    space: SearchSpace
    task: str
    proxy: str
    settings: ProxySettings

    @property
    def source(self) -> str:
        """Who computed the scores, and how."""
        return f"mpnas-ray, mpnas score: {self.settings}"

    def path(self, folder: Path) -> Path:
        """Its file."""
        return folder / f"{self.space.name}.{get_task(self.task).name}.{self.proxy}.parquet"

    def check_same(self, folder: Path) -> None:
        """Refuse to replace a table of other settings."""
        path = self.path(folder)
        if path.exists() and (there := task_card(path)["source"]) != self.source:
            raise RunError(f"{path} holds scores of {there!r}, not {self.source!r}: choose another --out.")

    def write(self, archs: Architectures, units: Sequence[_Unit], folder: Path, work: Path) -> ScoredTable:
        """Gather what the units have left."""
        task, name = get_task(self.task), f"{self.space.name}/{get_task(self.task).name}-{self.proxy}"
        contents = [unit.read(work) for unit in units]
        if None in contents:
            raise RunError(f"{work} lost a file of {self.proxy} meanwhile: the same command makes it again.")
        found = [content for content in contents if content is not None]
        scores = np.array([score for content in found for score in content["scores"]], dtype=np.float64)
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
        seconds = sum(content["seconds"] for content in found) / len(archs)
        return ScoredTable(self.path(folder), name, int(finite.sum()), int((~finite).sum()), seconds)
