"""Single trainings, each of one network on one task with one seed, which leave a file each: the work of a table."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from cluster.work.result_files import versions, write_whole
from trainables.networks.baselines.dash import chosen_candidates
from trainables.tasks.core.subset import with_fewer_samples
from trainables.tasks.core.task import Recipe, Task, get_task
from trainables.training.data import PreparedData
from trainables.training.loop import Training

__all__ = ["Course", "Unit", "read", "train"]

_KIND = "mpnas-ray training"
_FORMAT = 1


@dataclass(frozen=True)
class Course:
    """How networks are trained on one task.

    Attributes:
        reference: Name of the task (`trainables.get_task`), which all nodes must know.
        epochs: Of each training.
        num_train: Most training samples; all if None.
        preset: Sizes of the networks of architectures.
        data_dir: Where the user's data files are; the task's own place if None.
    """

    reference: str
    epochs: int
    num_train: int | None
    preset: str
    data_dir: Path | None = None

    @property
    def task(self) -> Task:
        """With all its samples."""
        return get_task(self.reference)

    @property
    def limited_task(self) -> Task:
        """With no more training samples than that."""
        return self.task if self.num_train is None else with_fewer_samples(self.task, self.num_train)

    @property
    def recipe(self) -> Recipe:
        """The task's, of this length."""
        return replace(self.limited_task.recipe, epochs=self.epochs)

    def settings(self) -> dict[str, Any]:
        """What values depend on, in plain values."""
        settings: dict[str, Any] = json.loads(json.dumps(asdict(self.recipe)))
        return {"preset": self.preset, "num_train": self.num_train, **settings}


@dataclass(frozen=True)
class Unit:
    """One training.

    Attributes:
        name: Of its file, without ending and without the seed.
        network: Architecture string, or name of a baseline.
        seed: Of weights and batches.
    """

    name: str
    network: str
    seed: int

    def path(self, task: str) -> str:
        """Its file, from the work folder, without ending."""
        return f"{task}/{self.name}.{self.seed}"


def train(unit: Unit, course: Course, work: Path, use_gpu: bool) -> float:
    """Train, score once on the test part, and write the unit's file.

    Args:
        unit: Which.
        course: How.
        work: Folder of the units.
        use_gpu: Whether the worker was given one.

    Returns:
        The seconds of the training.

    Raises:
        MPNASError: If it cannot be trained.
    """
    device = torch.device("cuda" if use_gpu else "cpu")
    task, data = _prepared(course, device)
    training = Training(unit.network, task, data, preset=course.preset, recipe=course.recipe, seed=unit.seed)
    scores, losses, seconds = [math.nan] * course.epochs, [math.nan] * course.epochs, 0.0
    for epoch in range(course.epochs):
        result = training.run_epoch()
        scores[epoch], losses[epoch] = result[task.metric_key], result["train_loss"]
        seconds += result["seconds"]
        if not math.isfinite(result["train_loss"]):
            break
    content = {
        "kind": _KIND,
        "format": _FORMAT,
        "network": unit.network,
        "seed": unit.seed,
        "settings": course.settings(),
        "versions": versions(),
        "score": [_plain(value) for value in scores],
        "train_loss": [_plain(value) for value in losses],
        "test": _plain(training.score("test") if training.finished and math.isfinite(scores[-1]) else math.nan),
        "parameters": training.num_parameters,
        "seconds": seconds,
        "chosen": [str(candidate) for candidate in chosen_candidates(training.network)],  # by DASH's search
    }
    write_whole(_file(work, unit, task.name), json.dumps(content, allow_nan=False) + "\n")
    return seconds


def read(unit: Unit, course: Course, work: Path) -> Mapping[str, Any] | None:
    """The content of a unit's file; None if it must be done: no file, a damaged one, or one of other settings."""
    try:
        content = json.loads(_file(work, unit, course.task.name).read_text(encoding="utf-8"))
        known = (content["kind"], content["format"], content["network"], content["seed"], content["settings"])
        wanted = (_KIND, _FORMAT, unit.network, unit.seed, course.settings())
        whole = len(content["score"]) == len(content["train_loss"]) == course.epochs
        {name: content[name] for name in ("test", "parameters", "seconds", "chosen")}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return content if whole and known == wanted else None


@lru_cache(maxsize=8)
def _prepared(course: Course, device: torch.device) -> tuple[Task, PreparedData]:
    """Read once a process: most units of a worker are of the tasks before."""
    task = course.limited_task
    return task, PreparedData(task, course.data_dir, device)


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _file(work: Path, unit: Unit, task: str) -> Path:
    return work / f"{unit.path(task)}.json"
