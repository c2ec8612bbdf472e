"""``mpnas extend``."""

from __future__ import annotations

from typing import Annotated

import typer

from cluster.commands.printing import begin, say

__all__ = ["extend"]


def extend(
    run: Annotated[str, typer.Argument(help="Folder or URI of the earlier run, e.g. runs/darcy.")],
    num_samples: Annotated[
        int, typer.Option(help="Number of architectures in all, those of the earlier run included.")
    ],
    name: Annotated[
        str | None,
        typer.Option(
            help="Name of the new run, which lies beside the earlier one; by default <earlier>-extended-<num-samples>."
        ),
    ] = None,
) -> None:
    """Start a new run with all results of an earlier one, and continue the search. The earlier run does not change."""
    begin(f"Extending {run} to {num_samples} architectures.")
    from cluster.run.extend import extend_search

    say(extend_search(run, num_samples, name=name))
