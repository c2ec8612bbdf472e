"""Join the parts of a run's report to one page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

from cluster.report.document import document, section
from cluster.report.html import Html, tag, whole
from cluster.report.parts.answer import answer
from cluster.report.parts.curves import curves
from cluster.report.parts.explanation import explanation
from cluster.report.parts.hyperparameters import hyperparameters
from cluster.report.parts.operations import operations
from cluster.report.parts.predictions import predictions, transfer
from cluster.report.parts.progress import progress
from cluster.report.parts.sizes import sizes
from cluster.report.parts.slots import slots
from cluster.report.parts.table import ten_best
from cluster.report.trials import about, drawn
from cluster.report.view import RunView

__all__ = ["SECTIONS", "page"]

SECTIONS: dict[str, tuple[str, Callable[[RunView], Html]]] = {
    "answer": ("The answer", answer),
    "progress": ("Best so far", progress),
    "curves": ("Learning curves", curves),
    "predictions": ("Predicted against measured", predictions),
    "transfer": ("Knowledge from other tasks", transfer),
    "operations": ("Operations that went with good scores", operations),
    "explanation": ("Why the winner is predicted to be good", explanation),
    "best": ("The ten best", ten_best),
    "hyperparameters": ("Hyperparameters", hyperparameters),
    "sizes": ("Score and size", sizes),
    "slots": ("Where the time went", slots),
}
"""Anchor -> title of a section, and the part that draws it, in the order of the page."""

_STATES = {"complete": "complete", "running": "running", "stopped": "stopped before its end"}


def page(run: RunView) -> str:
    """Write the report of a run as one HTML page."""
    sections = [section(anchor, title, part(run)) for anchor, (title, part) in SECTIONS.items()]
    tips = {trial.number: about(trial, run) for trial in [*drawn(run), *run.ranked[:10]]}
    return document(run.name, _header(run), *sections, tips=tips)


def _header(run: RunView) -> Html:
    ended = sum(trial.state != "unfinished" for trial in run.trials)
    failed = sum(trial.state in ("failed", "nan") for trial in run.trials)
    count = f"{whole(ended)} of {whole(run.num_samples)} trials" if run.num_samples else f"{whole(ended)} trials"
    lost = f", {failed} without a value" if failed else ""
    newest = max((trial.end for trial in run.trials if trial.epochs), default=None)
    when = "" if newest is None else f" Last result {_moment(newest)}."
    facts = [tag("span", tag("b", name), f" {value}") for name, value in run.facts.items()]
    links = [tag("a", title, href=f"#{anchor}") for anchor, (title, _) in SECTIONS.items()]
    return tag(
        "header",
        tag("h1", run.name),
        tag("p", tag("span", _STATES[run.state], class_=f"state {run.state}"), f" {count}{lost}.{when}"),
        tag("p", *facts, class_="facts"),
        tag("p", tag("code", run.place), class_="place"),
        *(tag("p", problem, class_="problem") for problem in run.problems),
        tag("nav", *links),
    )


def _moment(time: float) -> str:
    try:
        return datetime.fromtimestamp(time, tz=timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return "at an unknown time"
