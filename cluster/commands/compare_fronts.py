"""``mpnas compare-fronts``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cluster.commands.options import takes_options
from cluster.commands.printing import begin, say

__all__ = ["compare_fronts"]


@dataclass(frozen=True, kw_only=True)
class _Options:
    """Options of ``mpnas compare-fronts``.

    Attributes:
        tables: Folder of NAS tables.
        seeds: Runs of each method on each problem.
        checkpoints: Folder for meta-learned predictors, each without its target's data; that of `mpnas compare`.
        work: Folder for runs that are done.
        out: Folder for compare-fronts.json and .md.
    """

    tables: Path
    seeds: int = 20
    checkpoints: Path = Path("runs/compare/checkpoints")
    work: Path = Path("runs/compare-fronts")
    out: Path = Path("benchmarks/results")


@takes_options(_Options)
def compare_fronts(options: _Options) -> None:
    """Compare methods that search a quality and a cost at once, on NAS-Bench-201, side by side on Ray.

    If it is interrupted, run the same command again: it goes on where it was.
    """
    begin(f"Comparing searches of fronts on the tables in {options.tables}.")
    from cluster.experiments.fronts.comparing import FrontsConfig, compare_fronts

    for path in compare_fronts(FrontsConfig(**vars(options))):
        say(path)
