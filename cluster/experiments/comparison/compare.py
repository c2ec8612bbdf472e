"""A comparison from its runs to its files."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from cluster.experiments.comparison.methods import METHODS, takes_part
from cluster.experiments.comparison.predictors import COMPARED
from cluster.experiments.comparison.presets import Column, Preset
from cluster.experiments.comparison.summary.summaries import Comparison, ground_of, summary_of
from cluster.work.folders import make_folders
from mpnas_ray.checks import require_count
from mpnas_ray.errors import RunError
from mpnas_ray.extras import require_extra
from mpnas_ray.meta_learning.mixture import MixtureConfig
from mpnas_ray.names import no_such
from mpnas_ray.tables import TableTask, load_tasks

__all__ = ["compare"]


def compare(
    preset: Preset,
    tables: str | Path,
    out: str | Path,
    work: str | Path,
    checkpoints: str | Path,
    *,
    tasks: Sequence[str] = (),
    searchers: Sequence[str] = (),
    budget: int | None = None,
    seeds: int = 20,
    slow_seeds: int = 5,
    config: MixtureConfig | None = None,
) -> list[Path]:
    """Do the missing runs on Ray, and write ``<out>/compare-<preset>`` as ``.json``, ``.md``, ``.png`` and ``.html``.

    Args:
        preset: One of `presets.PRESETS`.
        tables: Folder of NAS tables; on a cluster all nodes must reach it.
        out: Folder of the files.
        work: Folder of the runs; on a cluster all nodes must reach it.
        checkpoints: Folder of the meta-learned predictors; on a cluster all nodes must reach it.
        tasks: Searched tasks to restrict the preset to; one that it does not have is searched and reported on itself.
        searchers: Names in `methods.METHODS` to restrict it to.
        budget: Queries of a run, if not those of the preset.
        seeds: Replications of a method of which one takes less than `running.SLOW_SECONDS`.
        slow_seeds: Most replications of others.
        config: Settings of the meta-learning; `predictors.COMPARED` if None.

    Returns:
        The files.

    Raises:
        TableError: If a table is missing or damaged.
        PredictorError: If a checkpoint that is there has seen its target, or does not fit.
        RunError: If a library of figures is not installed, a name is unknown, a number is below 1, or runs failed,
            once all others are done.
        RunInterruptedError: After Ctrl-C; the same call goes on.
    """
    require_extra("studies", "matplotlib", "plotly", to="A comparison", error=RunError)
    budget = preset.budget if budget is None else budget
    budget = require_count("budget", budget, error=RunError)
    seeds = require_count("seeds", seeds, error=RunError)
    slow_seeds = require_count("slow_seeds", slow_seeds, error=RunError)
    names = _chosen(searchers)
    of_preset = {column.searched: column for column in preset.columns}
    columns = [of_preset.get(task, Column.of(task)) for task in dict.fromkeys(tasks or of_preset)]
    table_tasks = _load(tables, columns, names)
    _check_anyone(names, columns, table_tasks)
    make_folders(Path(out), Path(work), Path(checkpoints))

    from cluster.experiments.comparison.running import run_all  # imports Ray

    found = run_all(
        names,
        columns,
        budget,
        seeds,
        slow_seeds,
        table_tasks,
        _resolved(tables),
        _resolved(checkpoints),
        _resolved(work),
        config or COMPARED,
    )
    grounds = {column: ground_of(column, table_tasks) for column in columns}
    every = tuple(summary_of(name, grounds[column], runs, budget) for (name, column), runs in found.items())
    results = Comparison(tuple(grounds.values()), every, budget)
    command = ["mpnas", "compare", "--tables", "DIR", "--preset", preset.name]
    command += [part for task in tasks for part in ("--task", task)]
    command += [part for name in searchers for part in ("--searcher", name)]
    command += ["--budget", str(budget), "--seeds", str(seeds), "--slow-seeds", str(slow_seeds)]

    from cluster.experiments.comparison.report.files import write_files  # imports matplotlib and plotly

    return write_files(f"compare-{preset.name}", preset.title, shlex.join(command), seeds, results, Path(out))


def _chosen(searchers: Sequence[str]) -> list[str]:
    """Methods by name, in the order of tables."""
    for name in searchers:
        if name not in METHODS:
            raise RunError(no_such("searcher", name, METHODS, after="to compare", separator="; "))
    return [name for name in METHODS if name in searchers or not searchers]


def _load(tables: str | Path, columns: Sequence[Column], searchers: Sequence[str]) -> dict[str, TableTask]:
    """Load the columns' tasks, and where a method uses others all that it may know."""
    names = {name for column in columns for name in (column.searched, column.reported)}
    if any(METHODS[name].transfers for name in searchers):
        names |= {source for column in columns for source in column.sources}
    return load_tasks(tables, names)


def _check_anyone(searchers: Sequence[str], columns: Sequence[Column], tasks: Mapping[str, TableTask]) -> None:
    targets = [tasks[column.searched] for column in columns]
    if not any(
        takes_part(METHODS[name], tasks[column.searched], tasks, column.sources)
        for name in searchers
        for column in columns
    ):
        raise RunError(
            f"There is nothing to compare: {'; '.join(searchers)} cannot search "
            f"{', '.join(target.name for target in targets)}. Those called far take part on the CIFAR family alone, "
            f"and those that use other tasks where a space has others."
        )


def _resolved(folder: str | Path) -> Path:
    """Return the absolute path, for workers, which are elsewhere."""
    return Path(folder).expanduser().resolve()
