"""A comparison from its replications to its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cluster.experiments.comparison.config import ComparisonConfig
from cluster.experiments.comparison.methods import METHODS, takes_part
from cluster.experiments.comparison.presets import Preset
from cluster.experiments.comparison.summary.summaries import Comparison, ground_of, summary_of
from cluster.work.folders import make_folders
from mpnas_ray.errors import RunError
from mpnas_ray.extras import require_extra
from mpnas_ray.tables import TableTask, load_tasks

__all__ = ["compare", "rewrite"]


def compare(config: ComparisonConfig) -> list[Path]:
    """Do the missing replications on Ray, and write the files of the comparison.

    Args:
        config: The comparison.

    Returns:
        The files, ``<out>/compare-<preset>`` as ``.json``, ``.md``, ``.png`` and ``.html``.

    Raises:
        TableError: If a table is missing or damaged.
        PredictorError: If a checkpoint that is there has seen its target, or does not fit.
        RunError: If a library of figures is not installed, nothing can be compared, a folder cannot be written, or
            replications failed, once all others are done.
        RunInterruptedError: After Ctrl-C; the same call goes on.
    """
    require_extra("studies", "matplotlib", to="A comparison", error=RunError)
    tasks = _load(config)
    _check_anyone(config, tasks)
    make_folders(Path(config.out), Path(config.work), Path(config.checkpoints))

    from cluster.experiments.comparison.running import run_all  # imports Ray

    found = run_all(
        replace(
            config,
            tables=_resolved(config.tables),
            work=_resolved(config.work),
            checkpoints=_resolved(config.checkpoints),
        ),
        tasks,
    )
    grounds = {column: ground_of(column, tasks) for column in config.columns}
    every = tuple(summary_of(name, grounds[column], runs, config.num_queries) for (name, column), runs in found.items())
    results = Comparison(tuple(grounds.values()), every, config.num_queries)

    from cluster.experiments.comparison.report.files import write_files  # imports matplotlib

    return write_files(config, results)


def rewrite(preset: Preset, out: str | Path) -> list[Path]:
    """Write the pages and the picture of a comparison anew from its JSON file; nothing is computed.

    Args:
        preset: The preset of the comparison.
        out: Folder of its files.

    Returns:
        The files, ``<out>/compare-<preset>`` as ``.md``, ``.png`` and ``.html``.

    Raises:
        RunError: If a library of figures is not installed, there is no such JSON file, or it is damaged or of another
            version.
    """
    require_extra("studies", "matplotlib", to="A comparison", error=RunError)
    from cluster.experiments.comparison.report.files import rewrite_pages  # imports matplotlib

    return rewrite_pages(preset.name, out)


def _load(config: ComparisonConfig) -> dict[str, TableTask]:
    """Load the columns' tasks, and where a method uses others all that it may know."""
    names = {name for column in config.columns for name in (column.searched, column.reported)}
    if any(METHODS[name].transfers for name in config.methods):
        names |= {source for column in config.columns for source in column.sources}
    return load_tasks(config.tables, names)


def _check_anyone(config: ComparisonConfig, tasks: Mapping[str, TableTask]) -> None:
    if not any(
        takes_part(METHODS[name], tasks[column.searched], tasks, column.sources)
        for name in config.methods
        for column in config.columns
    ):
        raise RunError(
            f"There is nothing to compare: {'; '.join(config.methods)} cannot search "
            f"{', '.join(tasks[column.searched].name for column in config.columns)}. Those called far take part on the "
            f"CIFAR family alone, and those that use other tasks where a space has others."
        )


def _resolved(folder: str | Path) -> Path:
    """Return the absolute path, for workers, which are elsewhere."""
    return Path(folder).expanduser().resolve()
