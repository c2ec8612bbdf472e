"""``mpnas extend``."""

from __future__ import annotations

from typing import Annotated

import typer

from cluster.commands.printing import begin, say

__all__ = ["extend"]


def extend(
    run: Annotated[str, typer.Argument(help="Folder or URI of the earlier run, e.g. runs/darcy.")],
    num_samples: Annotated[int, typer.Option(help="Number of architectures in all, the earlier run's counted.")],
    name: Annotated[
        str | None,
        typer.Option(help="Name of the new run, beside the earlier one; by default <earlier>-extended-<num-samples>."),
    ] = None,
) -> None:
    """Begin a new run with all results of an earlier one, and search on. The earlier run stays as it is."""
    begin(f"Extending {run} to {num_samples} architectures.")
    from cluster.run.extend import extend_search

    say(extend_search(run, num_samples, name=name))
