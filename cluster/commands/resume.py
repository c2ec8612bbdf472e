"""``mpnas resume``."""

from __future__ import annotations

from typing import Annotated

import typer

from cluster.commands.printing import begin, say

__all__ = ["resume"]


def resume(run: Annotated[str, typer.Argument(help="Folder or URI of the run, e.g. runs/darcy.")]) -> None:
    """Continue a run that was stopped, by Ctrl-C or otherwise, with the config that it was started with.

    No training that was complete is done again; the others go on from their last checkpoint. For a run that is
    complete, this prints its report.
    """
    begin(f"Resuming {run}.")
    from cluster.run.resume import resume_search

    say(resume_search(run))
