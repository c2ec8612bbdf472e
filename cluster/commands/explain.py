"""``mpnas explain``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.table import Table

from cluster.artifacts.config import MODES, ExplanationConfig
from cluster.commands.names import KINDS
from cluster.commands.options import takes_options
from cluster.commands.printing import print_table, say

if TYPE_CHECKING:
    from mpnas_ray.explaining import Explanation

__all__ = ["explain"]

_MOST_SWAPS, _MOST_SOURCES, _MOST_MOTIFS = 10, 6, 6


@dataclass(frozen=True, kw_only=True)
class _Options(ExplanationConfig):
    """Options of ``mpnas explain``: those of `ExplanationConfig`, and how the explanation is printed.

    Attributes:
        as_json: Print JSON.
    """

    as_json: bool = field(default=False, metadata={"option": "--json"})


@takes_options(_Options, names={"mode": MODES, "measures": KINDS})
def explain(options: _Options) -> None:
    """Explain why the predictor ranks an architecture where it does, in words and tables.

    Shown are the value of each slot of the cell, what each swap of one operation would change, which known tasks
    decide, and graph features that matter. Without a run, sizes are those of networks for images of 3x32x32 and ten
    classes.
    """
    from cluster.artifacts.explanation import explain_architecture

    found = explain_architecture(options)
    if options.as_json:
        say(found.to_json().rstrip())
    else:
        _print(found)


def _print(found: Explanation) -> None:
    from mpnas_ray.explaining import in_words

    say(found.arch)
    for name, cost in found.costs.items():
        say(f"{name}: {_amount(cost)}")
    say("")
    for sentence in in_words(found):
        say(sentence)
    for title, table in (
        ("Shapley value of each slot, and mean effect of each operation in it", _slots(found)),
        (f"The {min(_MOST_SWAPS, len(found.swaps))} best swaps of {len(found.swaps)}", _swaps(found)),
        ("Known tasks", _sources(found)),
        ("Features of the graph", _motifs(found)),
    ):
        if table.row_count:
            say(f"\n{title}:")
            print_table(table)
    say("\nNumbers are in standard deviations of the predicted score over the space. They explain the predictor.")


def _slots(found: Explanation) -> Table:
    operations = list(dict.fromkeys(effect.operation for effect in found.effects))
    table = Table("slot", "holds", "value", *operations, box=None, pad_edge=False)
    effects = {(effect.slot, effect.operation): f"{effect.effect:+.2f}" for effect in found.effects}
    for slot in found.slots:
        row = [effects.get((slot.slot, operation), "") for operation in operations]
        table.add_row(slot.slot, slot.holds, f"{slot.value:+.2f}", *row)
    return table


def _swaps(found: Explanation) -> Table:
    table = Table("slot", "holds", "would hold", box=None, pad_edge=False)
    for name in ("score", "standard deviation", *found.costs):
        table.add_column(name, justify="right")
    for swap in found.swaps[:_MOST_SWAPS]:
        std = "not known" if swap.std is None else f"{swap.std:.2f}"
        costs = (_amount(swap.costs[name], "+") for name in found.costs)
        table.add_row(swap.slot, swap.old, swap.new, f"{swap.change:+.2f}", std, *costs)
    return table


def _sources(found: Explanation) -> Table:
    table = Table("task", box=None, pad_edge=False)
    for name in ("probability", "turned round", "adds"):
        table.add_column(name, justify="right")
    for source in found.sources[:_MOST_SOURCES]:
        adds = "" if source.contribution is None else f"{source.contribution:+.2f}"
        table.add_row(source.name, f"{source.probability:.0%}", f"{source.reversed:.0%}", adds)
    return table


def _motifs(found: Explanation) -> Table:
    table = Table("feature", box=None, pad_edge=False)
    for name in ("value", "share of the space", "effect"):
        table.add_column(name, justify="right")
    for motif in found.motifs[:_MOST_MOTIFS]:
        table.add_row(motif.feature, f"{motif.value:g}", f"{motif.share:.0%}", f"{motif.effect:+.2f}")
    return table


def _amount(cost: float, sign: str = "") -> str:
    """Write whole numbers with separators, others with three decimals."""
    return f"{cost:{sign},.0f}" if cost == round(cost) else f"{cost:{sign}.3f}"
