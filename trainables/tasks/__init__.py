"""Tasks by name: `get_task("darcy")`, `register_task` for your own."""

from __future__ import annotations

from trainables.tasks import darcy, digits  # noqa: F401  (they register themselves)
from trainables.tasks.darcy import darcy_task
from trainables.tasks.metrics import Metric, accuracy, cross_entropy, mean_relative_l2, relative_l2
from trainables.tasks.task import Recipe, Split, Task, TaskData, get_task, register_task, task_names

__all__ = [
    "Metric",
    "Recipe",
    "Split",
    "Task",
    "TaskData",
    "accuracy",
    "cross_entropy",
    "darcy_task",
    "get_task",
    "mean_relative_l2",
    "register_task",
    "relative_l2",
    "task_names",
]
