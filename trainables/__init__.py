"""What a trial runs: tasks, networks, and the trainables that join them for Ray Tune."""

from __future__ import annotations

from trainables.cell import CellTrainable
from trainables.networks import build_network, load_network
from trainables.tabular import TabularTrainable
from trainables.tasks import (
    Metric,
    Recipe,
    Split,
    Task,
    TaskData,
    accuracy,
    cross_entropy,
    darcy_task,
    get_task,
    mean_relative_l2,
    register_task,
    relative_l2,
    task_names,
)

__all__ = [
    "CellTrainable",
    "Metric",
    "Recipe",
    "Split",
    "TabularTrainable",
    "Task",
    "TaskData",
    "accuracy",
    "build_network",
    "cross_entropy",
    "darcy_task",
    "get_task",
    "load_network",
    "mean_relative_l2",
    "register_task",
    "relative_l2",
    "task_names",
]
