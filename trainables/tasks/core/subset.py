"""A task with some of its training samples: for tables of many short trainings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mpnas_ray.checks import require_count
from mpnas_ray.errors import TaskError
from trainables.tasks.core.task import Split, Task, TaskData

__all__ = ["with_fewer_samples"]


def with_fewer_samples(task: Task, num_train: int) -> Task:
    """Limit a task to so many training samples, always the same ones; validation and test stay whole.

    Batches are no larger than that.
    Classes keep their shares, to the nearest sample, and each keeps at least one while there are enough samples for it.

    Raises:
        TaskError: If the number is less than 2, or not a whole number.
    """
    require_count("num_train", num_train, 2, error=TaskError)
    recipe = replace(task.recipe, batch_size=min(task.recipe.batch_size, num_train))
    return replace(task, load=partial(_load_fewer, task.load_data, num_train), recipe=recipe)


def _load_fewer(load: Callable[[Path | None], TaskData], num_train: int, data_dir: Path | None) -> TaskData:
    data = load(data_dir)
    train = data.train
    if len(train) <= num_train:
        return data
    rows = _some_of(train.targets, num_train)
    groups = None if train.groups is None else train.groups[rows]
    return replace(data, train=Split(train.inputs[rows], train.targets[rows], groups))


def _some_of(targets: Tensor, num: int) -> Tensor:
    """Choose rows at random and sort them; the k-th of n samples of a class comes at position (k + 1/2) / n."""
    order = np.random.default_rng(0).permutation(len(targets))
    if targets.dtype == torch.int64 and targets.ndim == 1:
        classes = targets.numpy()[order]
        by_class = np.argsort(classes, kind="stable")
        _, first, counts = np.unique(classes[by_class], return_index=True, return_counts=True)
        place = np.arange(len(order)) - np.repeat(first, counts)
        turn = np.where(place == 0, 0.0, (place + 0.5) / np.repeat(counts, counts))
        order = order[by_class][np.argsort(turn, kind="stable")]
    return torch.from_numpy(np.sort(order[:num]))
