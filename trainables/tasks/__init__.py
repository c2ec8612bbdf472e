"""Tasks by name: `get_task("darcy")`, `register_task` for your own."""

from __future__ import annotations

from trainables.tasks.core.losses import FocalLoss, RelativeLp, cross_entropy, relative_l2
from trainables.tasks.core.metrics import Metric, accuracy, error_rate, mean_relative_l2, record_f1_error
from trainables.tasks.core.task import FixedScaling, Recipe, Split, Task, TaskData, get_task, register_task, task_names
from trainables.tasks.datasets import (  # noqa: F401  (they register themselves)
    cifar,
    darcy,
    darcy_files,
    digits,
    ecg,
    keel,
    mnist5k,
    ninapro,
    osuleaf,
    satellite,
    spherical,
    watch,
)
from trainables.tasks.datasets.darcy import darcy_task
from trainables.tasks.datasets.spherical import spherical_digits_task
from trainables.tasks.sources import task_of_files  # noqa: F401  (it registers its schemes)

__all__ = [
    "FixedScaling",
    "FocalLoss",
    "Metric",
    "Recipe",
    "RelativeLp",
    "Split",
    "Task",
    "TaskData",
    "accuracy",
    "cross_entropy",
    "darcy_task",
    "error_rate",
    "get_task",
    "mean_relative_l2",
    "record_f1_error",
    "register_task",
    "relative_l2",
    "spherical_digits_task",
    "task_names",
]
