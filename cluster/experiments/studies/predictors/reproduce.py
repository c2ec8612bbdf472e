"""All the work of the predictor study, only what is missing of it, and its files."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from cluster.experiments.studies.learned import learn_predictors
from cluster.experiments.studies.predictors.judging import Measurement, Unit, read, read_whole, target_of, write
from cluster.experiments.studies.predictors.methods import META_LEARNED, METHODS, SHARES, SLOW, Knowledge
from cluster.experiments.studies.predictors.page import Group, page_of
from cluster.experiments.studies.predictors.pictures import save_picture
from cluster.experiments.studies.predictors.results import Results
from cluster.experiments.studies.predictors.targets import OFFICIAL, Draw, sizes_of, study_targets
from cluster.ray.connection import connected
from cluster.work.pool import Job, side_by_side
from cluster.work.result_files import check_folders, machine, make_folders, versions
from mpnas_ray.checks import require_count
from mpnas_ray.errors import RunError
from mpnas_ray.files.atomic import write_atomic
from mpnas_ray.meta_learning.mixture import MixtureConfig
from mpnas_ray.names import no_such
from mpnas_ray.tables import BUNDLED_TABLE, TableTask, leaves_out, load_tasks, read_curves

__all__ = ["reproduce_predictors"]

_COMMAND = "mpnas reproduce predictors --tables DIR"


def reproduce_predictors(
    tables: str | Path,
    out: str | Path,
    work: str | Path,
    *,
    seeds: int = 10,
    slow_seeds: int = 3,
    methods: Sequence[str] | None = None,
    config: MixtureConfig | None = None,
    own_table: Path = BUNDLED_TABLE,
    report: Callable[[str], None] = print,
) -> list[Path]:
    """Do what is missing on Ray, and write ``<out>/predictors.json``, ``.md`` and ``.png``.

    Args:
        tables: Folder of NAS tables; on a cluster all nodes must reach it.
        out: Folder of the files.
        work: Folder of the work; on a cluster all nodes must reach it.
        seeds: Of draws and of methods.
        slow_seeds: Of methods in `SLOW`; no more than ``seeds``.
        methods: Names of `METHODS`; all if None.
        config: How the meta-learned predictors are learned; `MixtureConfig()` if None.
        own_table: A file of `mpnas tables build`.
        report: Receives a line for each step.

    Returns:
        The files.

    Raises:
        MPNASError: If a table is missing.
        RunError: If units failed, once all others are done.
        RunInterruptedError: After Ctrl-C; the same call goes on.
    """
    seeds, slow_seeds = (
        require_count("seeds", seeds, 2, error=RunError),
        require_count("slow_seeds", slow_seeds, 1, error=RunError),
    )
    chosen = list(METHODS) if methods is None else list(methods)
    for name in chosen:
        if name not in METHODS:
            raise RunError(no_such("method", name, METHODS))
    tables, work = Path(tables).resolve(), Path(work).resolve() / "predictors"
    check_folders(Path(out), work)
    own = load_tasks(own_table)
    official = load_tasks(tables)
    targets = study_targets(official, own)
    make_folders(Path(out), work)
    with connected():
        checkpoints: dict[str, Path] = {}
        if META_LEARNED in chosen:
            checkpoints = _meta_learned({**official, **own}, targets, work, config or MixtureConfig(), report)
        units = {
            Unit(method, target, seed): Knowledge(own_table, checkpoints.get(target))
            for seed in range(seeds)  # so that what is there of a study that was stopped is of all methods
            for method in chosen
            for target in targets
            if METHODS[method].fits(target) and seed < (slow_seeds if method in SLOW else seeds)
        }
        _do(units, targets, tables, work, report)
    results = Results({unit: read_whole(work, unit, targets[unit.target]) for unit in units})
    content = {
        "study": "predictors",
        "command": f"{_COMMAND} --seeds {seeds} --slow-seeds {slow_seeds}",
        "versions": versions(),
        "machine": machine(),
        "seeds": seeds,
        "slow_seeds": slow_seeds,
        "units": [
            {**asdict(unit), "measurements": [asdict(one) for one in measurements]}
            for unit, measurements in results.measured.items()
        ],
    }
    groups = _groups(targets, own_table)
    written = [Path(out) / f"predictors.{ending}" for ending in ("json", "md", "png")]
    write_atomic(written[0], json.dumps(content, allow_nan=False) + "\n")
    write_atomic(written[1], page_of(content, results, groups, SHARES))
    save_picture(results, groups, written[2])
    return written


def _meta_learned(
    tasks: Mapping[str, TableTask],
    targets: Mapping[str, TableTask],
    work: Path,
    config: MixtureConfig,
    report: Callable[[str], None],
) -> dict[str, Path]:
    """Target -> a predictor that has learned nothing of its data sets; targets of equal data sets share one."""
    held_out: dict[tuple[str, ...], list[str]] = {}
    for name, target in targets.items():
        held_out.setdefault(target.datasets, []).append(name)
    paths = {datasets: work / "meta-learned" / f"without-{'-'.join(datasets)}" for datasets in held_out}
    sources = {paths[datasets]: leaves_out(tasks, names) for datasets, names in held_out.items()}
    learn_predictors(sources, config, _COMMAND, report)
    return {name: paths[target.datasets] for name, target in targets.items()}


def _do(
    units: Mapping[Unit, Knowledge],
    targets: Mapping[str, TableTask],
    tables: Path,
    work: Path,
    report: Callable[[str], None],
) -> None:
    jobs = {
        unit.name: Job((unit, knowledge, tables, work))
        for unit, knowledge in units.items()
        if read(work, unit, targets[unit.target]) is None
    }
    if jobs:
        report(f"{len(jobs)} of {len(units)} units are to be done")
        failures = side_by_side(_judge, jobs)
        if failures:
            lines = "".join(f"\n  {name}: {error}" for name, error in failures.items())
            raise RunError(f"{len(failures)} units failed; the same command does these again:{lines}")


def _judge(unit: Unit, knowledge: Knowledge, tables: Path, work: Path) -> float:
    """In a worker."""
    start = time.process_time()
    target = target_of(unit.target, tables, knowledge.own_table)
    measurements: list[Measurement] = METHODS[unit.method].judge(Draw.of(target, unit.seed), knowledge)
    write(work, unit, target, measurements)
    return time.process_time() - start


def _groups(targets: Mapping[str, TableTask], own_table: Path) -> list[Group]:
    """Each official task by itself, and the tasks of our own table together."""
    own = tuple(name for name in targets if name not in OFFICIAL)
    epochs = {f"mixed/{task}": curves.scores.shape[1] for task, curves in read_curves(own_table).items()}
    groups = [Group(name, (name,), sizes_of(targets[name]), {}, num_mutants=True) for name in OFFICIAL]
    sizes = min((sizes_of(targets[name]) for name in own), key=len)
    return [*groups, Group("Our own table, mixed space", own, sizes, epochs, num_mutants=False)]
