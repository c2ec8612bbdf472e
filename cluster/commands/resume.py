"""``mpnas resume``."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

__all__ = ["resume"]


def resume(run: Annotated[str, typer.Argument(help="Folder or URI of the run, e.g. runs/darcy.")]) -> None:
    """Continue a run that was stopped, by Ctrl-C or otherwise, with the settings that it was started with.

    No training that was complete is done again, the others go on from their last checkpoint. A run that is complete
    prints its report.
    """
    from cluster.run.search import resume_search

    logging.getLogger("ray.tune").setLevel(logging.ERROR)  # progress and report say it all
    typer.echo(str(resume_search(run)))
