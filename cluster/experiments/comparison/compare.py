"""A comparison from its runs to its files."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cluster.experiments.comparison.config import ComparisonConfig
from cluster.experiments.comparison.methods import METHODS, takes_part
from cluster.experiments.comparison.predictors import COMPARED
from cluster.experiments.comparison.presets import Column, Preset, get_preset
from cluster.experiments.comparison.summary.summaries import Comparison, ground_of, summary_of
from cluster.work.folders import make_folders
from mpnas_ray.errors import RunError
from mpnas_ray.meta_learning.mixture import MixtureConfig
from mpnas_ray.names import no_such
from mpnas_ray.tables import TableTask, load_tasks

__all__ = ["compare"]


def compare(
    config: ComparisonConfig, *, preset: Preset | None = None, learning: MixtureConfig = COMPARED
) -> list[Path]:
    """Do the missing runs on Ray, and write ``<out>/compare-<preset>`` as ``.json``, ``.md``, ``.png`` and ``.html``.

    Args:
        config: The comparison.
        preset: In place of the config's preset: one that `presets.PRESETS` does not have.
        learning: Settings of the meta-learning, but for the seed.

    Returns:
        The files.

    Raises:
        TableError: If a table is missing or damaged.
        PredictorError: If a checkpoint that is there has seen its target, or does not fit.
        RunError: If a name is unknown, or runs failed, once all others are done.
        RunInterruptedError: After Ctrl-C; the same call goes on.
    """
    preset = get_preset(config.preset) if preset is None else preset
    budget = preset.budget if config.budget is None else config.budget
    names, out = _chosen(config.searchers), Path(config.out)
    of_preset = {column.searched: column for column in preset.columns}
    columns = [of_preset.get(task, Column.of(task)) for task in config.tasks or of_preset]
    table_tasks = _load(config.tables, columns, names)
    _check_anyone(names, columns, table_tasks)
    make_folders(out, Path(config.work), Path(config.checkpoints))

    from cluster.experiments.comparison.running import run_all  # imports Ray

    on_workers = replace(
        config,
        budget=budget,
        tables=_resolved(config.tables),
        checkpoints=_resolved(config.checkpoints),
        work=_resolved(config.work),
    )
    found = run_all(names, columns, table_tasks, on_workers, learning)
    grounds = {column: ground_of(column, table_tasks) for column in columns}
    every = tuple(summary_of(name, grounds[column], runs, budget) for (name, column), runs in found.items())
    results = Comparison(tuple(grounds.values()), every, budget)
    command = ["mpnas", "compare", "--tables", "DIR", "--preset", preset.name]
    command += [part for task in config.tasks for part in ("--task", task)]
    command += [part for name in config.searchers for part in ("--searcher", name)]
    command += ["--budget", str(budget), "--seeds", str(config.seeds)]
    command += ["--slow-seeds", str(config.slow_seeds)]

    from cluster.experiments.comparison.report.files import write_files  # imports matplotlib and plotly

    return write_files(f"compare-{preset.name}", preset.title, shlex.join(command), config.seeds, results, out)


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
