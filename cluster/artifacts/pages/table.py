"""Show the trainings of a table that was built here, as a page beside its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from cluster.report.document import document, section
from cluster.report.html import Html, number, tag, whole
from cluster.report.parts.curves import curves
from cluster.report.parts.operations import operations
from cluster.report.parts.sizes import sizes
from cluster.report.parts.table import ten_best
from cluster.report.view import Epoch, RunView, TrialView
from mpnas_ray.tables.curves import LearningCurves

__all__ = ["table_page"]

_MOST_DRAWN = 300
"""Most architectures drawn in a chart, of which there are two a task."""


def table_page(name: str, tasks: Mapping[str, LearningCurves]) -> str:
    """Write the page: the tasks side by side, then each with its curves, sizes, best architectures and operations.

    An architecture has one number on the whole page, so that it is lit in the charts of all tasks.

    Args:
        name: Name of the file.
        tasks: Task -> its trainings.
    """
    numbers: dict[str, int] = {}
    for trainings in tasks.values():
        for arch in map(str, trainings.archs):
            numbers.setdefault(arch, len(numbers) + 1)
    views = {task: _view(trainings, numbers) for task, trainings in tasks.items()}
    space = next(iter(tasks.values())).archs.space.name
    header = tag(
        "header",
        tag("h1", name),
        tag("p", f"{whole(len(numbers))} architectures of the space {space}."),
        tag("nav", *(tag("a", task, href=f"#{task}") for task in tasks)),
    )
    sections = [section(task, task, *_of_task(view)) for task, view in views.items()]
    return document(name, header, section("tasks", "Tasks", _overview(tasks)), *sections, tips=_tips(views))


def _view(trainings: LearningCurves, numbers: Mapping[str, int]) -> RunView:
    """See the first training of each architecture as a trial."""
    seeds = trainings.seeds.tolist()
    first: dict[str, int] = {}
    for row in np.argsort(seeds, kind="stable").tolist():
        first.setdefault(str(trainings.archs[row]), row)
    trials = [
        TrialView(
            number=numbers[arch],
            trial_id=f"{numbers[arch]}",
            arch=arch,
            state="complete" if np.isfinite(trainings.scores[row, -1]) else "nan",
            epochs=tuple(
                Epoch(epoch, value, 0.0, 0.0) for epoch, value in enumerate(trainings.scores[row].tolist(), 1)
            ),
            parameters=int(trainings.parameters[row]),
            flops=int(trainings.flops[row]),
        )
        for arch, row in first.items()
    ]
    return RunView(
        name=trainings.task,
        place="",
        metric=trainings.metric,
        mode=trainings.mode,
        num_epochs=trainings.scores.shape[1],
        trials=tuple(sorted(trials, key=lambda trial: trial.number)),
    )


def _of_task(view: RunView) -> list[Html]:
    kept = {trial.number for trial in view.ranked[: _MOST_DRAWN // 3]}
    others = [trial for trial in view.trials if trial.number not in kept]
    every = -(-len(others) // (_MOST_DRAWN - len(kept))) or 1
    kept |= {trial.number for trial in others[::every]}
    fewer = replace(view, trials=tuple(trial for trial in view.trials if trial.number in kept))
    left_out = len(view.trials) - len(fewer.trials)
    note = f"The charts leave out {whole(left_out)} architectures, none of the best. " if left_out else ""
    return [
        tag("div", curves(fewer), sizes(fewer), class_="charts"),
        tag("p", f"{note}A trial is the first training of an architecture, and has its number.", class_="note"),
        tag("h3", "The ten best"),
        ten_best(view),
        tag("h3", "Operations that went with good scores"),
        operations(view),
    ]


def _overview(tasks: Mapping[str, LearningCurves]) -> Html:
    rows = []
    for task, trainings in tasks.items():
        last = trainings.scores[:, -1]
        known = last[np.isfinite(last)] if np.isfinite(last).any() else np.array([np.nan])
        best = known.max() if trainings.mode == "max" else known.min()
        values = (number(float(best)), number(float(np.median(known))), whole(len(trainings)))
        rows.append(tag("tr", tag("th", f"{task}, {trainings.metric}"), *(tag("td", value) for value in values)))
    header = tag("tr", *(tag("th", head) for head in ("task", "best", "median", "trainings")))
    return tag("table", tag("thead", header), tag("tbody", *rows), class_="plain")


def _tips(views: Mapping[str, RunView]) -> dict[int, str]:
    """Say of each architecture what it reached on the tasks."""
    lines: dict[int, list[str]] = {}
    archs: dict[int, str] = {}
    for task, view in views.items():
        for trial in view.trials:
            archs[trial.number] = trial.arch
            known = lines.setdefault(trial.number, [f"Architecture {trial.number}"])
            known.append(f"{task}: {view.metric} {number(trial.value)}, {whole(trial.parameters)} parameters")
    return {name: "\n".join([*told, archs[name]]) for name, told in lines.items()}
