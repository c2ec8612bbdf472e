"""What a trial runs: tasks, networks, and the trainables that join them for Ray Tune."""

from __future__ import annotations

from trainables.cell import CellTrainable
from trainables.distributed import DistributedCellTrainable
from trainables.networks import build_network, load_network
from trainables.tabular import TabularTrainable
from trainables.tasks import (
    FixedScaling,
    FocalLoss,
    Metric,
    Recipe,
    RelativeLp,
    Split,
    Task,
    TaskData,
    accuracy,
    cross_entropy,
    darcy_task,
    error_rate,
    get_task,
    mean_relative_l2,
    record_f1_error,
    register_task,
    relative_l2,
    spherical_digits_task,
    task_names,
)

__all__ = [
    "CellTrainable",
    "DistributedCellTrainable",
    "FixedScaling",
    "FocalLoss",
    "Metric",
    "Recipe",
    "RelativeLp",
    "Split",
    "TabularTrainable",
    "Task",
    "TaskData",
    "accuracy",
    "build_network",
    "cross_entropy",
    "darcy_task",
    "error_rate",
    "get_task",
    "load_network",
    "mean_relative_l2",
    "record_f1_error",
    "register_task",
    "relative_l2",
    "spherical_digits_task",
    "task_names",
]
