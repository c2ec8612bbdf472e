"""Kendall's tau of one-shot scores against the number of vertices of cells, after Yu et al. (ICLR 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cluster.artifacts.network_trainings import Course, training_item
from cluster.experiments.studies.estimates import Estimate
from cluster.experiments.studies.oneshot.cells_study import WORK
from cluster.experiments.studies.oneshot.few_vertices import VERTICES, as_nasbench101, different_cells, space_name
from cluster.experiments.studies.oneshot.published import VERTICES_TABLE
from cluster.experiments.studies.oneshot.supernets import SupernetPlan, as_ranked, scores_by_norm, train_supernet
from cluster.experiments.studies.study import Report, WithoutPicture
from cluster.pages.markdown import markdown_table
from cluster.work.items import Store, WorkItem
from cluster.work.running import run_missing
from mpnas_ray.checks import require_count
from mpnas_ray.errors import RunError
from mpnas_ray.stats import kendall

__all__ = ["ONESHOT_VERTICES", "VerticesStudy"]

_METHOD = "rsps"


@dataclass(frozen=True)
class VerticesStudy(WithoutPicture):
    """The study of the number of vertices; see `cluster.experiments.studies.study.Study`.

    Attributes:
        course: Task of the study, and training of each cell.
        vertices: Numbers of vertices.
        num_cells: Cells of each number of vertices.
        seeds: Number of trainings of each cell.
        supernet_seeds: Number of supernets for each number of vertices.
        changed: Settings of the supernets in place of those of the short protocol.

    Raises:
        RunError: If a number is below 1.
    """

    name: str = "oneshot-vertices"
    title: str = "One-shot scores against the number of vertices"
    holds: str = "All trainings and scores are"
    options: tuple[str, ...] = ("train", "seeds")
    course: Course = field(default_factory=lambda: Course("darcy16", 8, 200, "small"))
    vertices: tuple[int, ...] = VERTICES
    num_cells: int = 24
    seeds: int = 2
    supernet_seeds: int = 5
    changed: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("num_cells", "seeds", "supernet_seeds"):
            require_count(name, getattr(self, name), 1, error=RunError)

    def training_items(self) -> list[WorkItem]:
        """Describe the trainings of all cells, those of the first seed first."""
        return [
            training_item(f"{number}-vertices.cell{place:02}", as_nasbench101(cell), seed, self.course)
            for seed in range(self.seeds)
            for number in self.vertices
            for place, cell in enumerate(different_cells(number, self.num_cells))
        ]

    def supernet_items(self) -> list[WorkItem]:
        """Describe the supernets, those of the first seed first."""
        items = []
        for seed in range(self.supernet_seeds):
            for number in self.vertices:
                plan = SupernetPlan(
                    _METHOD,
                    seed,
                    space_name(number),
                    self.course.reference,
                    None,
                    self.course.num_train,
                    self.course.preset,
                    {**self.changed, "num_samples": 1},  # nothing is chosen
                )
                identity = {**plan.identity, "cells": [str(cell) for cell in different_cells(number, self.num_cells)]}
                compute = partial(score_cells, plan, number, self.num_cells)
                items.append(WorkItem(f"vertices/{number}.{seed}", identity, compute))
        return items

    def measure(
        self, tables: Path, work: Path, report: Report, *, train: bool = True, seeds: int | None = None
    ) -> dict[str, Any]:
        """Train the cells and supernets that are missing, and score.

        Args:
            tables: Unused: the study needs no NAS tables.
            work: Folder of the work.
            report: Receives a line for each step.
            train: Unused: this is called to train.
            seeds: Number of supernets in place of ``supernet_seeds``.

        Raises:
            RunError: If ``seeds`` is below 1.
        """
        if seeds is not None:
            found = replace(self, supernet_seeds=seeds).measure(tables, work, report)
            return {**found, "command": f"{found['command']} --seeds {seeds}"}
        store = Store(work / WORK)
        report(f"{self.seeds} trainings of each of {self.num_cells} cells of {len(self.vertices)} sizes")
        trained = run_missing(self.training_items(), store)
        report(f"{self.supernet_seeds} supernets for each number of vertices")
        scored = run_missing(self.supernet_items(), store)
        return {
            "command": f"mpnas reproduce {self.name} --train",
            "task": self.course.task.name,
            "settings": self.course.settings(),
            "seeds": {"trainings": self.seeds, "supernets": self.supernet_seeds},
            "rows": [self._row(number, trained, scored) for number in self.vertices],
        }

    def _row(self, number: int, trained: Mapping[str, Any], scored: Mapping[str, Any]) -> dict[str, Any]:
        task, num = self.course.task.name, len(different_cells(number, self.num_cells))
        results = [
            [trained[f"{task}/{number}-vertices.cell{place:02}.{seed}"] for place in range(num)]
            for seed in range(self.seeds)
        ]
        sign = 1.0 if self.course.task.metric.mode == "max" else -1.0
        test = sign * np.array([[one["test"] for one in of_seed] for of_seed in results], dtype=np.float64)
        parameters = [one["parameters"] for one in results[0]]
        scores = [scored[f"vertices/{number}.{seed}"]["scores"] for seed in range(self.supernet_seeds)]
        pairs = [(one, other) for one in range(self.seeds) for other in range(one)]
        return {
            "vertices": number,
            "cells": num,
            "tau": [kendall(as_ranked(one), test.mean(axis=0)) for one in scores],
            "ceiling": [kendall(test[one], test[other]) for one, other in pairs],
            "size": kendall(parameters, test.mean(axis=0)),
            "test": test.tolist(),
            "scores": scores,
        }

    def body(self, content: Mapping[str, Any]) -> str:
        """Write the page from the correlations."""
        return _body(content)


def score_cells(plan: SupernetPlan, num_vertices: int, num_cells: int) -> dict[str, Any]:
    """Train a supernet and score the cells, with statistics of batch norm computed anew for each."""
    trained = train_supernet(plan)
    scores = scores_by_norm(trained.search, different_cells(num_vertices, num_cells), ["calibrated"])
    return {"scores": scores["calibrated"], "cpu_seconds": trained.cpu_seconds}


def _body(content: Mapping[str, Any]) -> str:
    seeds, settings = content["seeds"], content["settings"]
    lines = [
        [
            str(row["vertices"]),
            str(row["cells"]),
            Estimate.of(row["tau"]).shown(2),
            Estimate.of(row["ceiling"]).shown(2) if row["ceiling"] else "not measured",
            f"{row['size']:.2f}",
        ]
        for row in content["rows"]
    ]
    header = ["vertices", "cells", "one-shot score", "two trainings", "parameters"]
    return f"""\
Cells of NAS-Bench-101 with so many vertices, input and output among them, no two of them isomorphic. Each was trained
on {content["task"]} with {seeds["trainings"]} seeds for {settings["epochs"]} epochs on {settings["num_train"]} samples,
with networks of preset {settings["preset"]}. Supernets of `rsps` hold the cells with the same number of vertices alone.
Numbers are Kendall's tau with the mean test score of each cell; those of the score are means ± standard errors over
{seeds["supernets"]} supernets. With so few cells, tau itself is uncertain beyond these errors: that of two independent
rankings of {content["rows"][-1]["cells"]} has a standard deviation of
{_spread(content["rows"][-1]["cells"]):.2f}.

{markdown_table(header, lines)}

## Published

Yu et al. (ICLR 2020): 200 architectures of NAS-Bench-101 on CIFAR-10.

{VERTICES_TABLE}

These numbers are not comparable with ours: other data, other networks and supernets that were trained for longer.
"""


def _spread(num: int) -> float:
    """Return the standard deviation of Kendall's tau of two independent rankings of ``num`` (Kendall 1938)."""
    return float(np.sqrt(2 * (2 * num + 5) / (9 * num * (num - 1))))


ONESHOT_VERTICES = VerticesStudy()
