"""Seconds, memory and trainings of one-shot methods, beside those of a search that trains candidates."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cluster.artifacts.network_trainings import Course, train
from cluster.experiments.studies.oneshot.cells_study import WORK
from cluster.experiments.studies.oneshot.peak_memory import peak_growth
from cluster.experiments.studies.oneshot.supernets import SupernetPlan
from cluster.experiments.studies.study import Report, WithoutPicture
from cluster.pages.markdown import markdown_table
from cluster.work.items import Store, WorkItem
from cluster.work.running import run_missing
from mpnas_ray.checks import require_count
from mpnas_ray.errors import RunError
from mpnas_ray.spaces import get_space
from trainables.oneshot.discretising import NUM_EACH_EPOCH
from trainables.oneshot.methods import get_method, method_names
from trainables.tasks.core.task import get_task

__all__ = ["ONESHOT_COST", "CostStudy"]

_SPACE = "nasbench201"


@dataclass(frozen=True)
class CostStudy(WithoutPicture):
    """The study of costs; see `cluster.experiments.studies.study.Study`.

    Attributes:
        tasks: Names of the tasks.
        num_train: Training samples of each task.
        methods: Names of the one-shot methods; those that differ in a decay alone cost the same.
        epochs: Epochs of each supernet that are measured.
        num_candidates: Random cells whose trainings by the task's recipe are measured.
        preset: Sizes of the networks.
        paper_tasks: Tasks that are measured with networks of preset paper, too, where they are among ``tasks``.

    Raises:
        RunError: If a number is below 1.
    """

    name: str = "oneshot-cost"
    title: str = "Cost of one-shot methods beside that of trainings"
    holds: str = "All measurements are"
    options: tuple[str, ...] = ("train", "tasks")
    tasks: tuple[str, ...] = ("digits", "splice", "darcy16")
    num_train: int = 500
    methods: tuple[str, ...] = tuple(name for name in method_names() if not name.startswith("rdarts-l2-"))
    epochs: int = 1
    num_candidates: int = 3
    preset: str = "small"
    paper_tasks: tuple[str, ...] = ("digits",)

    def __post_init__(self) -> None:
        for name in ("epochs", "num_candidates"):
            require_count(name, getattr(self, name), 1, error=RunError)

    @property
    def cases(self) -> dict[str, tuple[str, str]]:
        """Name of each case to its task and preset."""
        found = {task: (task, self.preset) for task in self.tasks}
        return found | {f"{task}, paper": (task, "paper") for task in self.paper_tasks if task in self.tasks}

    def items(self) -> list[WorkItem]:
        """Describe all measurements."""
        found = []
        for case, (task, preset) in self.cases.items():
            for method in self.methods:
                plan = SupernetPlan(method, 0, _SPACE, task, None, self.num_train, preset)
                identity = {**plan.identity, "measured": self.epochs}
                found.append(WorkItem(_item_name(case, method), identity, partial(supernet_cost, plan, self.epochs)))
            course = Course(task, get_task(task).recipe.epochs, self.num_train, preset)
            identity = {"settings": course.settings(), "candidates": self.num_candidates}
            found.append(WorkItem(_item_name(case), identity, partial(training_cost, course, self.num_candidates)))
        return found

    def measure(
        self, tables: Path, work: Path, report: Report, *, train: bool = True, tasks: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Measure what is missing.

        Args:
            tables: Unused: the study needs no NAS tables.
            work: Folder of the work.
            report: Receives a line for each step.
            train: Unused: this is called to train.
            tasks: Names of tasks in place of ``self.tasks``, if any are given.
        """
        if tasks:
            found = replace(self, tasks=tuple(tasks)).measure(tables, work, report)
            return {**found, "command": f"{found['command']} {' '.join(f'--task {task}' for task in tasks)}"}
        report(f"{self.epochs} epochs of {len(self.methods)} methods in {len(self.cases)} cases")
        results = run_missing(self.items(), Store(work / WORK))
        return {
            "command": f"mpnas reproduce {self.name} --train",
            "preset": self.preset,
            "num_train": self.num_train,
            "epochs": self.epochs,
            "candidates": self.num_candidates,
            "tasks": {
                case: {
                    "training": results[_item_name(case)],
                    "methods": {method: results[_item_name(case, method)] for method in self.methods},
                }
                for case in self.cases
            },
        }

    def body(self, content: Mapping[str, Any]) -> str:
        """Write the page from the measurements."""
        return _body(content)


def _item_name(case: str, method: str | None = None) -> str:
    """Return the name of a measurement: that of a method, or of trainings if it is None."""
    return f"cost/{case.replace(', ', '-')}" + ("" if method is None else f".{method}")


def supernet_cost(plan: SupernetPlan, epochs: int) -> dict[str, Any]:
    """Measure some epochs of a supernet.

    Returns:
        ``epoch_seconds`` of the processor, a choice among few cells included; ``choice_seconds`` of such a choice, and
        ``choices``, by how many times as many cells are compared in the end; ``peak_bytes`` that the process grew by;
        ``epochs`` of the whole protocol.
    """
    with peak_growth() as peak:
        training = plan.begin()
        start = time.process_time()
        for _ in range(epochs):
            training.run_epoch()
        seconds = (time.process_time() - start) / epochs
        start = time.process_time()
        get_method(plan.method).choose(training.search, False)
        choice = time.process_time() - start
    num_samples = training.search.settings.num_samples
    return {
        "epoch_seconds": seconds,
        "choice_seconds": choice,
        "choices": num_samples / min(num_samples, NUM_EACH_EPOCH),
        "peak_bytes": peak.bytes,
        "epochs": training.num_epochs,
        "parameters": training.num_parameters,
    }


def training_cost(course: Course, num_candidates: int) -> dict[str, Any]:
    """Measure trainings of random cells by the task's recipe: ``seconds`` of the processor and ``peak_bytes``."""
    cells = get_space(_SPACE).sample_many(num_candidates, np.random.default_rng(0))
    seconds, peaks = [], []
    for cell in cells:
        with peak_growth() as peak:
            start = time.process_time()
            train(str(cell), 0, course)
            seconds.append(time.process_time() - start)
        peaks.append(peak.bytes)
    return {"seconds": seconds, "peak_bytes": peaks, "epochs": course.epochs}


def _body(content: Mapping[str, Any]) -> str:
    sections = "\n\n".join(_section(task, found) for task, found in content["tasks"].items())
    return f"""\
Supernets of NAS-Bench-201 on {content["num_train"]} samples, on one core, with networks of preset
{content["preset"]}, and once with those of preset paper. `seconds` are those of the processor for the whole short
protocol of the method. They are not measured but computed: from the seconds of the first
{_epochs(content["epochs"])}, which are measured, and from those of comparing 10 cells, where more are compared in the
end. They are too low for `darts-pt` and `darts-pt-fixed`, whose projections are not in them, and too high for
`darts-es`, `rdarts-l2` and `rdarts-dp`, which compute curvatures every second epoch, the first among them, and mostly
stop early. `memory` is the most by which the process grew; the first measurement of a process contains what libraries
load when they are first used. `trainings` is what the same seconds buy: trainings of a random cell by the recipe of the
task (mean of {content["candidates"]} cells), so as many candidates of a search such as MP-NAS. The chosen cell of a
supernet must then be trained once, too, which is not counted.

What MP-NAS reaches with as many trainings is measured on [64 cells](oneshot-cells.md).

{sections}
"""


def _section(task: str, found: Mapping[str, Any]) -> str:
    training = found["training"]
    one = float(np.mean(training["seconds"]))
    lines = []
    for method, cost in found["methods"].items():
        whole = cost["epochs"] * cost["epoch_seconds"] + (cost["choices"] - 1) * cost["choice_seconds"]
        lines.append(
            [
                method,
                str(cost["epochs"]),
                f"{cost['epoch_seconds']:.2f}",
                f"{whole:.0f}",
                _megabytes(cost["peak_bytes"]),
                f"{whole / one:.0f}",
            ]
        )
    header = ["method", "epochs", "seconds an epoch", "seconds", "memory, MB", "trainings"]
    memory = [value for value in training["peak_bytes"] if value is not None]
    grew = f", and grows by {_megabytes(max(memory))} MB" if memory else ""
    return f"""\
## {task}

One training of a cell takes {one:.1f} seconds for {training["epochs"]} epochs{grew}.

{markdown_table(header, lines)}"""


def _epochs(number: int) -> str:
    return "epoch" if number == 1 else f"{number} epochs"


def _megabytes(value: int | None) -> str:
    return "-" if value is None else f"{value / 1e6:.0f}"


ONESHOT_COST = CostStudy()
