"""``mpnas report``."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from cluster.commands.printing import begin, say
from mpnas_ray.errors import RunError

__all__ = ["report"]


def report(
    run: Annotated[str, typer.Argument(help="Folder or URI of the run, e.g. runs/darcy.")],
    show: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Write the report of a run as a page with pictures, report.html in its folder, and print where it is.

    The run may be complete, under way, stopped or damaged; a training of one network must be complete. A search writes
    the page itself as it goes and at its end.
    """
    begin(f"Drawing {run}.")
    from cluster.artifacts.pages.training import SETTINGS, TrainingReport, write_training_page
    from cluster.run.html.writing import write_page
    from cluster.run.report import read_report
    from cluster.storage.run_folder import RUN_FILE, RunFolder

    folder = RunFolder.of_run(run, records=(RUN_FILE, SETTINGS))
    training = read_report(folder, TrainingReport) if folder.read(SETTINGS) is not None else None
    place = write_page(run) if training is None else write_training_page(folder, training)
    say(place)
    if not show:
        return
    if "://" in place:
        raise RunError(f"{place} is on remote storage, which a browser does not read: copy it to this machine.")
    if not webbrowser.open(Path(place).as_uri()):
        raise RunError(f"No browser was found on this machine: open {place} in one.")
