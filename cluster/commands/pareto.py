"""``mpnas pareto``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.table import Table

from cluster.commands.options import takes_options
from cluster.commands.printing import print_table, say

if TYPE_CHECKING:
    from cluster.run.front import Front, FrontNetwork

__all__ = ["pareto"]


@dataclass(frozen=True, kw_only=True)
class _Options:
    """Options of ``mpnas pareto``.

    Attributes:
        run: Folder or URI of the run, e.g. runs/darcy.
        minimize: Cost of the front in place of those of the run, repeatable; parameters if the run has none.
        prefer: Condition on a network, such as 'latency_ms<5' or 'accuracy>=0.9', repeatable: the best of the front
            that meets all is named.
        as_json: Print the front as JSON in place of a table.
    """

    run: str = field(metadata={"argument": True})
    minimize: tuple[str, ...] = field(default=(), metadata={"option": "--minimize", "metavar": "COST"})
    prefer: tuple[str, ...] = field(default=(), metadata={"option": "--prefer", "metavar": "CONDITION"})
    as_json: bool = field(default=False, metadata={"option": "--json"})


@takes_options(_Options)
def pareto(options: _Options) -> None:
    """Show the front of a run: the networks of which no other is better in the metric and as low in all costs.

    At the end of a search with costs, each network of the front is scored on the test part, once, and kept with its
    weights. Before, and for other costs than those of the search, the front is that of validation. A picture of it is
    pareto.html in the folder of the run.
    """
    from cluster.run.front import preferred
    from cluster.run.html.fronts import shown_front

    front, place, picture = shown_front(options.run, options.minimize)
    chosen = preferred(front, options.prefer) if options.prefer else None
    if options.as_json:
        say(front.to_json().rstrip())
        return
    print_table(_table(front, chosen))
    if chosen is not None:
        say(f"\n{chosen.arch}")
        say("Its network is kept at the end of the run." if chosen.network is None else f"{place}/{chosen.network}")
    say(f"\nA picture: {picture}")


def _table(front: Front, chosen: FrontNetwork | None) -> Table:
    """List the networks, the best of the metric first; the chosen one has a star."""
    table = Table("", f"validation {front.metric}", "test", *front.costs, "architecture", box=None, pad_edge=False)
    for network in front.networks:
        costs = [network.costs[name] for name in front.costs]
        table.add_row(
            "*" if network == chosen else "",
            f"{network.validation:.5g}",
            "-" if network.test is None else f"{network.test:.5g}",
            *(f"{cost:,.0f}" if cost >= 1_000 else f"{cost:.4g}" for cost in costs),
            network.arch,
        )
    return table
