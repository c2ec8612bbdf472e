"""``mpnas compare``."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path

from cluster.commands.names import COMPARISONS, METHODS
from cluster.commands.options import takes_options
from cluster.commands.printing import begin, say
from mpnas_ray.errors import RunError

__all__ = ["compare"]


@dataclass(frozen=True, kw_only=True)
class _Options:
    """Options of ``mpnas compare``.

    Attributes:
        tables: Folder of NAS tables. Without it nothing is computed, and compare-PRESET.md, .png and .html are written
            anew from compare-PRESET.json.
        preset: Columns to search and queries of a run. regret has 100 queries and fourteen tasks; devices has 22
            latencies, with whole families of devices left out; macro has the ten tasks of the spaces natsbench-size and
            transnasbench101-macro; design has the columns that things are chosen on, and
            confirmation the others, to be looked at once; table5 has 30 queries, picks on validation and reports test.
        tasks: Task to restrict the preset to, or any other task of the tables. Repeatable.
        searchers: Searcher to restrict the preset to; one called far knows nothing of the CIFAR family. Repeatable.
        budget: Queries of a run; by default those of the preset.
        seeds: Replications of a searcher of which one takes under 20 s; ours with three meta-trainings in turn.
        slow_seeds: Most replications of the others.
        checkpoints: Folder for meta-learned predictors, each without its target's data.
        work: Folder for replications, which presets share.
        out: Folder for compare-PRESET.json, .md, .png and .html.
    """

    tables: Path | None = None
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

    If it is interrupted, run the same command again: it goes on where it was. Without --tables nothing is computed, and
    the pages are written anew from the results in --out.
    """
    begin(
        f"Writing the pages of {options.preset} anew."
        if options.tables is None
        else f"Comparing searchers on the tables in {options.tables}: {options.preset}."
    )
    from cluster.experiments.comparison.compare import compare, rewrite
    from cluster.experiments.comparison.config import ComparisonConfig
    from cluster.experiments.comparison.presets import get_preset

    preset = get_preset(options.preset)
    if options.tables is None:
        _refuse_settings(options)
        written = rewrite(preset, options.out)
    else:
        written = compare(ComparisonConfig(**{**vars(options), "preset": preset}))
    for path in written:
        say(path)


def _refuse_settings(options: _Options) -> None:
    """Refuse an option that would change nothing, as nothing is computed."""
    for setting in fields(options):
        if setting.name not in ("tables", "preset", "out") and getattr(options, setting.name) != setting.default:
            name = setting.metadata.get("option", f"--{setting.name.replace('_', '-')}")
            raise RunError(f"{name} is an option of a computation, which needs --tables.")
