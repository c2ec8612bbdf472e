"""Show the front of a run: find it, and draw it on a page of its own."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.report.document import document
from cluster.report.parts.sizes import fronts
from cluster.report.trials import about
from cluster.run.front import Front, front_of_run, read_front
from cluster.run.reading import read_run
from cluster.storage.run_folder import RunFolder
from mpnas_ray.errors import RunError

__all__ = ["shown_front"]

_PAGE_FILE = "pareto.html"


def shown_front(run: str, costs: Sequence[str] = ()) -> tuple[Front, str, str]:
    """Find the front of a run, and draw it as ``pareto.html`` in its folder.

    Args:
        run: The run's folder or URI.
        costs: Names of costs in place of those of the run; if it has none either, the number of parameters.

    Returns:
        The front, the place of the run, and that of the page.

    Raises:
        RunError: If a cost is named twice or known of no trial, or no trial has a value yet.
    """
    for name in costs:
        if list(costs).count(name) > 1:
            raise RunError(f"--minimize names {name} twice.")
    folder = RunFolder.of_run(run)
    view = read_run(folder)
    named = tuple(costs) or view.costs or ("parameters",)
    kept = read_front(folder)
    front = kept if kept is not None and kept.costs == named else front_of_run(view, named, view.limits)
    tips = {trial.number: about(trial, view) for trial in view.trials}
    folder.write(_PAGE_FILE, document(f"Front of {view.name}", fronts(view, named), tips=tips))
    place = folder.shown if folder.is_local else folder.place_of("").rstrip("/")
    return front, place, f"{place}/{_PAGE_FILE}"
