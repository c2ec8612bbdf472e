"""Tasks, networks, and the trainables that train a network on a task in a trial of Ray Tune."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainables.data_options import DataOptions
    from trainables.networks import build_network, load_network
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
    from trainables.training.loop import Training
    from trainables.tune.cell import CellTrainable
    from trainables.tune.distributed import DistributedCellTrainable
    from trainables.tune.supernet import SupernetTrainable
    from trainables.tune.tabular import TabularTrainable

__all__ = [
    "CellTrainable",
    "DataOptions",
    "DistributedCellTrainable",
    "FixedScaling",
    "FocalLoss",
    "Metric",
    "Recipe",
    "RelativeLp",
    "Split",
    "SupernetTrainable",
    "TabularTrainable",
    "Task",
    "TaskData",
    "Training",
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

_MODULES = {
    "CellTrainable": "trainables.tune.cell",
    "DataOptions": "trainables.data_options",
    "DistributedCellTrainable": "trainables.tune.distributed",
    "FixedScaling": "trainables.tasks",
    "FocalLoss": "trainables.tasks",
    "Metric": "trainables.tasks",
    "Recipe": "trainables.tasks",
    "RelativeLp": "trainables.tasks",
    "Split": "trainables.tasks",
    "SupernetTrainable": "trainables.tune.supernet",
    "TabularTrainable": "trainables.tune.tabular",
    "Task": "trainables.tasks",
    "TaskData": "trainables.tasks",
    "Training": "trainables.training.loop",
    "accuracy": "trainables.tasks",
    "build_network": "trainables.networks",
    "cross_entropy": "trainables.tasks",
    "darcy_task": "trainables.tasks",
    "error_rate": "trainables.tasks",
    "get_task": "trainables.tasks",
    "load_network": "trainables.networks",
    "mean_relative_l2": "trainables.tasks",
    "record_f1_error": "trainables.tasks",
    "register_task": "trainables.tasks",
    "relative_l2": "trainables.tasks",
    "spherical_digits_task": "trainables.tasks",
    "task_names": "trainables.tasks",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: torch, Ray Tune and Ray Train take seconds, and few processes need all."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
