"""A comparison of searchers, described once: `compare` takes it, and ``mpnas compare`` is made from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mpnas_ray.checks import require_count
from mpnas_ray.errors import RunError

__all__ = ["ComparisonConfig"]


@dataclass(frozen=True, kw_only=True)
class ComparisonConfig:
    """A comparison of searchers on NAS tables.

    Attributes:
        tables: Folder of NAS tables; on a cluster all nodes must reach it, as the next folders but the last.
        preset: Columns to search and queries of a run. regret has 100 queries and fourteen tasks; devices has 22
            latencies, with whole families of devices left out; design has the columns that things are chosen on, and
            confirmation the others, to be looked at once; table5 has 30 queries, picks on validation and reports test.
        tasks: Task to restrict the preset to; one that it does not have is searched and reported on itself. Repeatable.
        searchers: Searcher to restrict the preset to; one called far knows nothing of the CIFAR family. Repeatable.
        budget: Queries of a run; by default those of the preset.
        seeds: Replications of a searcher of which one takes under 10 s; ours with three meta-trainings in turn.
        slow_seeds: Most replications of the others.
        checkpoints: Folder of the meta-learned predictors, each without its target's data.
        work: Folder of the runs, which presets share.
        out: Folder for compare-PRESET.json, .md, .png and .html.

    Raises:
        RunError: If a number is below 1. Names are checked where the comparison begins.
    """

    tables: Path | str
    preset: str = "regret"
    tasks: tuple[str, ...] = field(default=(), metadata={"option": "--task", "metavar": "TASK"})
    searchers: tuple[str, ...] = field(default=(), metadata={"option": "--searcher", "metavar": "NAME"})
    budget: int | None = None
    seeds: int = 20
    slow_seeds: int = 5
    checkpoints: Path | str = Path("runs/compare/checkpoints")
    work: Path | str = Path("runs/compare")
    out: Path | str = Path("benchmarks/results")

    def __post_init__(self) -> None:
        for name in ("budget", "seeds", "slow_seeds"):
            if name != "budget" or self.budget is not None:
                object.__setattr__(self, name, require_count(name, getattr(self, name), error=RunError))
        for name in ("tasks", "searchers"):
            object.__setattr__(self, name, tuple(dict.fromkeys(getattr(self, name))))
