"""Describe single trainings, of one network on one task with one seed, as items of work."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch

from cluster.work.items import WorkItem
from trainables.data_options import DataOptions
from trainables.networks.baselines.dash import chosen_candidates
from trainables.tasks.core.subset import with_fewer_samples
from trainables.tasks.core.task import Recipe, Task, get_task
from trainables.tasks.sources.task_of_files import plain_options
from trainables.training.data import PreparedData
from trainables.training.loop import Training
from trainables.tune.memory import memory_of_trial

__all__ = ["Course", "train", "training_item"]


@dataclass(frozen=True)
class Course:
    """The training of networks on one task.

    Attributes:
        reference: Name of the task (`trainables.get_task`), which all nodes must know.
        epochs: Epochs of each training.
        num_train: Most training samples; all if None.
        preset: Sizes of the networks of architectures.
        data_dir: Folder of the user's data files; the task's own folder if None.
        options: Options of a task that is made of files; the defaults if None.
    """

    reference: str
    epochs: int
    num_train: int | None
    preset: str
    data_dir: Path | None = None
    options: DataOptions | None = None

    @property
    def task(self) -> Task:
        """The task with all its samples."""
        return get_task(self.reference, self.options)

    @property
    def limited_task(self) -> Task:
        """The task with no more training samples than ``num_train``."""
        return self.task if self.num_train is None else with_fewer_samples(self.task, self.num_train)

    @property
    def recipe(self) -> Recipe:
        """The task's recipe, with this number of epochs, all of which are trained."""
        return replace(self.limited_task.recipe, epochs=self.epochs, patience=None)

    def settings(self) -> dict[str, Any]:
        """Return all that the results depend on beside network and seed, in plain values."""
        recipe = self.recipe.to_plain()
        return {"preset": self.preset, "num_train": self.num_train, **recipe, **plain_options(self.task)}


def training_item(name: str, network: str, seed: int, course: Course, *, use_gpu: bool = False) -> WorkItem:
    """Describe the training of one network on one task with one seed.

    Args:
        name: Name of the network among those of the task.
        network: Architecture string, or name of a baseline.
        seed: Seed of weights and batches.
        course: Settings of the training.
        use_gpu: Whether the worker is given a GPU.
    """
    return WorkItem(
        f"{course.task.name}/{name}.{seed}",
        {"network": network, "seed": seed, "settings": course.settings()},
        partial(train, network, seed, course, use_gpu),
        expected=course.epochs,
    )


def train(network: str, seed: int, course: Course, use_gpu: bool = False) -> dict[str, Any]:
    """Train a network, and score it once on the test part.

    Args:
        network: Architecture string, or name of a baseline.
        seed: Seed of weights and batches.
        course: Settings of the training.
        use_gpu: Whether to use a GPU.

    Returns:
        ``network`` and ``seed``; ``score`` (on the validation part) and ``train_loss``, one number an epoch; ``test``,
        ``parameters``, ``seconds``, and ``chosen``, which DASH's search chose. A number that is not finite is
        None, and so are those after it.

    Raises:
        MPNASError: If it cannot be trained.
    """
    device = torch.device("cuda" if use_gpu else "cpu")
    task, data = _prepared(course, device)
    training = Training(network, task, data, preset=course.preset, recipe=course.recipe, seed=seed)
    scores, losses, seconds = [math.nan] * course.epochs, [math.nan] * course.epochs, 0.0
    for epoch in range(course.epochs):
        result = training.run_epoch()
        scores[epoch], losses[epoch] = result[task.metric_key], result["train_loss"]
        seconds += result["seconds"]
        if not math.isfinite(result["train_loss"]):
            break
    return {
        "network": network,
        "seed": seed,
        "score": [_plain(value) for value in scores],
        "train_loss": [_plain(value) for value in losses],
        "test": _plain(training.score("test") if training.finished and math.isfinite(scores[-1]) else math.nan),
        "parameters": training.num_parameters,
        "seconds": seconds,
        "chosen": [str(candidate) for candidate in chosen_candidates(training.network)],
    }


@lru_cache(maxsize=8)
def _prepared(course: Course, device: torch.device) -> tuple[Task, PreparedData]:
    """Read a task's data once a process: most items of a worker have the same tasks."""
    task = course.limited_task
    return task, PreparedData(task, course.data_dir, device, memory=memory_of_trial(device))


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
