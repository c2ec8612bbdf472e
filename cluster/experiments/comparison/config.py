"""A comparison, described once: what is compared, how often, and from and to which folders."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cluster.experiments.comparison.methods import METHODS
from cluster.experiments.comparison.predictors import COMPARED
from cluster.experiments.comparison.presets import Column, Preset
from mpnas_ray.checks import require_count
from mpnas_ray.errors import RunError
from mpnas_ray.meta_learning.mixture import MixtureConfig
from mpnas_ray.names import no_such

__all__ = ["ComparisonConfig"]


@dataclass(frozen=True)
class ComparisonConfig:
    """A comparison of searchers on columns of tables.

    On a cluster all nodes must reach the folders, but for that of the files.

    Attributes:
        preset: One of `presets.PRESETS`.
        tables: Folder of NAS tables.
        out: Folder of the files.
        work: Folder of the replications, which presets share.
        checkpoints: Folder of the meta-learned predictors.
        tasks: Searched tasks to restrict the preset to; one that it does not have is searched and reported on itself.
        searchers: Names in `methods.METHODS` to restrict it to.
        budget: Queries of a replication; those of the preset if None.
        seeds: Replications of a method of which one takes less than `running.SLOW_SECONDS`.
        slow_seeds: Most replications of others.
        learning: Settings of the meta-learning; its seed is that of the replication.

    Raises:
        RunError: If a searcher has no such name, or a number is below 1.
    """

    preset: Preset
    tables: str | Path
    out: str | Path
    work: str | Path
    checkpoints: str | Path
    tasks: tuple[str, ...] = ()
    searchers: tuple[str, ...] = ()
    budget: int | None = None
    seeds: int = 20
    slow_seeds: int = 5
    learning: MixtureConfig = COMPARED

    def __post_init__(self) -> None:
        for name in ("seeds", "slow_seeds"):
            object.__setattr__(self, name, require_count(name, getattr(self, name), error=RunError))
        if self.budget is not None:
            object.__setattr__(self, "budget", require_count("budget", self.budget, error=RunError))
        for name in self.searchers:
            if name not in METHODS:
                raise RunError(no_such("searcher", name, METHODS, after="to compare", separator="; "))

    @property
    def num_queries(self) -> int:
        """Queries of a replication."""
        return self.preset.budget if self.budget is None else self.budget

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The columns to search."""
        of_preset = {column.searched: column for column in self.preset.columns}
        return tuple(of_preset.get(task, Column.of(task)) for task in dict.fromkeys(self.tasks or of_preset))

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods that are compared, in the order of tables."""
        return tuple(name for name in METHODS if name in self.searchers or not self.searchers)

    @property
    def command(self) -> str:
        """The command that makes the comparison, without the user's folders."""
        words = ["mpnas", "compare", "--tables", "DIR", "--preset", self.preset.name]
        words += [part for task in self.tasks for part in ("--task", task)]
        words += [part for name in self.searchers for part in ("--searcher", name)]
        words += ["--budget", str(self.num_queries), "--seeds", str(self.seeds), "--slow-seeds", str(self.slow_seeds)]
        return shlex.join(words)
