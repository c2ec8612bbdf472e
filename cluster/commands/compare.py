"""``mpnas compare``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cluster.commands.names import COMPARISONS, METHODS
from cluster.commands.options import takes_options
from cluster.commands.printing import begin, say

__all__ = ["compare"]


@dataclass(frozen=True, kw_only=True)
class _Options:
    """Options of ``mpnas compare``.

    Attributes:
        tables: Folder of NAS tables.
        preset: Columns to search and queries of a run. regret has 100 queries and fourteen tasks; devices has 22
            latencies, with whole families of devices left out; design has the columns that things are chosen on, and
            confirmation the others, to be looked at once; table5 has 30 queries, picks on validation and reports test.
        tasks: Task to restrict the preset to, or any other task of the tables. Repeatable.
        searchers: Searcher to restrict the preset to; one called far knows nothing of the CIFAR family. Repeatable.
        budget: Queries of a run; by default those of the preset.
        seeds: Replications of a searcher of which one takes under 10 s; ours with three meta-trainings in turn.
        slow_seeds: Most replications of the others.
        checkpoints: Folder for meta-learned predictors, each without its target's data.
        work: Folder for replications, which presets share.
        out: Folder for compare-PRESET.json, .md, .png and .html.
    """

    tables: Path
    preset: str = "regret"
    tasks: tuple[str, ...] = field(default=(), metadata={"option": "--task", "metavar": "TASK"})
    searchers: tuple[str, ...] = field(default=(), metadata={"option": "--searcher", "metavar": "NAME"})
    budget: int | None = None
    seeds: int = 20
    slow_seeds: int = 5
    checkpoints: Path = Path("runs/compare/checkpoints")
    work: Path = Path("runs/compare")
    out: Path = Path("benchmarks/results")


@takes_options(_Options, names={"preset": COMPARISONS, "searchers": METHODS})
def compare(options: _Options) -> None:
    """Compare searchers on NAS tables, with many seeds side by side on Ray.

    If it is interrupted, run the same command again: it goes on where it was.
    """
    begin(f"Comparing searchers on the tables in {options.tables}: {options.preset}.")
    from cluster.experiments.comparison.compare import compare
    from cluster.experiments.comparison.config import ComparisonConfig
    from cluster.experiments.comparison.presets import get_preset

    config = ComparisonConfig(**{**vars(options), "preset": get_preset(options.preset)})
    for path in compare(config):
        say(path)
