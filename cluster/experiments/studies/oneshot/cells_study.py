"""One-shot methods on 64 cells that were all trained: what they choose, and by how much that is worse than the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from cluster.artifacts.network_trainings import Course
from cluster.experiments.studies.oneshot.cells import (
    METHODS,
    SEARCHES,
    Truth,
    search_items,
    supernet_items,
    training_items,
    truth_of,
)
from cluster.experiments.studies.oneshot.cells_page import body_of
from cluster.experiments.studies.oneshot.skip_conv import all_cells
from cluster.experiments.studies.study import Report, WithoutPicture
from cluster.work.items import Store
from cluster.work.running import run_missing
from mpnas_ray.checks import require_count
from mpnas_ray.errors import RunError
from mpnas_ray.stats import kendall

__all__ = ["ONESHOT_CELLS", "WORK", "CellsStudy"]

WORK = "oneshot"
"""Folder of the work, which the studies of one-shot methods share."""


@dataclass(frozen=True)
class CellsStudy(WithoutPicture):
    """The study of 64 cells; see `cluster.experiments.studies.study.Study`.

    Attributes:
        course: Task of the study, and training of each cell.
        seeds: Number of trainings of each cell.
        supernet_seeds: Number of supernets of each method, and of searches of each kind.
        methods: Names of the one-shot methods; `SEARCHES` take the scores of ``rsps``.
        changed: Settings of the supernets in place of those of the short protocols.
        num_samples: Cells that each search trains.

    Raises:
        RunError: If a number is below 1.
    """

    name: str = "oneshot-cells"
    title: str = "One-shot methods on 64 cells that were all trained"
    holds: str = "All trainings, choices and searches are"
    options: tuple[str, ...] = ("train", "seeds")
    course: Course = field(default_factory=lambda: Course("darcy16", 8, 200, "small"))
    seeds: int = 3
    supernet_seeds: int = 5
    methods: tuple[str, ...] = tuple(METHODS)
    changed: Mapping[str, Any] = field(default_factory=dict)
    num_samples: int = 32

    def __post_init__(self) -> None:
        for name in ("seeds", "supernet_seeds", "num_samples"):
            require_count(name, getattr(self, name), 1, error=RunError)

    def measure(
        self, tables: Path, work: Path, report: Report, *, train: bool = True, seeds: int | None = None
    ) -> dict[str, Any]:
        """Train the cells and supernets that are missing, and search the cells.

        Args:
            tables: Unused: the study needs no NAS tables.
            work: Folder of the work.
            report: Receives a line for each step.
            train: Unused: this is called to train.
            seeds: Number of supernets and searches in place of ``supernet_seeds``.

        Raises:
            RunError: If ``seeds`` is below 1.
        """
        if seeds is not None:
            found = replace(self, supernet_seeds=seeds).measure(tables, work, report)
            return {**found, "command": f"{found['command']} --seeds {seeds}"}
        store = Store(work / WORK)
        report(f"{self.seeds} trainings of each of {len(all_cells())} cells")
        truth = self.truth(store)
        report(f"{self.supernet_seeds} supernets of each of {len(self.methods)} methods")
        items = supernet_items(self.course, self.supernet_seeds, self.methods, self.changed)
        found = run_missing(items, store)
        supernets = [
            {"method": item.identity["method"], "seed": item.identity["seed"], **found[item.name]} for item in items
        ]
        report("searches on the trained cells")
        scores = [one["scores"]["calibrated"] for one in supernets if one["method"] == "rsps"]
        searches = search_items(truth, self.supernet_seeds, scores, min(self.num_samples, len(all_cells())))
        searched = run_missing(searches, store)
        return {
            "command": f"mpnas reproduce {self.name} --train",
            "task": self.course.task.name,
            "metric": self.course.task.metric.name,
            "mode": self.course.task.metric.mode,
            "settings": self.course.settings(),
            "seeds": {"trainings": self.seeds, "supernets": self.supernet_seeds},
            "cells": _cells(truth),
            "training_cpu_seconds": truth.cpu_seconds,
            "ceiling": _ceiling(truth),
            "size": kendall(truth.parameters, truth.mean_test),
            "supernets": [
                {**one, "regret": truth.regret(one["arch"]), "rank": truth.rank(one["arch"])} for one in supernets
            ],
            "searches": {
                search: [_regrets(truth, searched[item.name]) for item in searches if item.identity["search"] == search]
                for search in SEARCHES
            },
        }

    def truth(self, store: Store) -> Truth:
        """Return the scores of all cells, those trained that are missing."""
        items = training_items(self.course, self.seeds)
        results = run_missing(items, store)
        return truth_of([results[item.name] for item in items], self.seeds, self.course.task.metric.mode)

    def body(self, content: Mapping[str, Any]) -> str:
        """Write the page from the measurements."""
        return body_of(content)


def _cells(truth: Truth) -> list[dict[str, Any]]:
    return [
        {
            "arch": str(cell).partition(":")[2],
            "parameters": int(truth.parameters[row]),
            "validation": truth.validation[:, row].tolist(),
            "test": truth.test[:, row].tolist(),
        }
        for row, cell in enumerate(all_cells())
    ]


def _ceiling(truth: Truth) -> list[float]:
    """Correlate the test metrics of each two trainings: no score of cells can be expected to agree better with one."""
    pairs = [(one, other) for one in range(len(truth.test)) for other in range(one)]
    return [kendall(truth.test[one], truth.test[other]) for one, other in pairs]


def _regrets(truth: Truth, search: Mapping[str, Sequence[Any]]) -> list[float]:
    """Return the regret of the best cell by what the search saw, after each training."""
    archs, seen = search["archs"], np.array(search["scores"], dtype=np.float64)
    best = [int(np.argmax(seen[: number + 1])) for number in range(len(archs))]
    return [truth.regret(archs[row]) for row in best]


ONESHOT_CELLS = CellsStudy()
