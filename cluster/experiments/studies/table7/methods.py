"""Networks and searches that are compared on each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mpnas_ray.tables import TableTask
from trainables.tasks.core.task import Task

__all__ = ["DEFAULT_TASKS", "SEARCHES", "baselines_of", "derived_from", "is_small", "sources_for"]

DEFAULT_TASKS = ("darcy", "digits", "watch", "satimage")

SEARCHES: dict[str, str] = {
    "MP-NAS": "The predictor has learned nothing of the task's family.",
    "MP-NAS, with NAS-Bench-201's Darcy and NinaPro": "As the paper has it: these two tables are among its sources.",
    "random predictor": "The same search with a graph network that begins with random weights at each refit.",
}
"""Searches and what they know."""

_EXPERTS = {"darcy": "fno-2d", "darcy-421": "fno-2d", "ninapro": "emg-attention", "ecg": "resnext-1d"}
_FULL_PROTOCOL = "nb360"


def is_small(task: Task) -> bool:
    """Say whether a task is one of the stand-ins, whose networks and recipes are small."""
    return task.protocol != _FULL_PROTOCOL


def baselines_of(task: Task, num_axes: int) -> dict[str, str]:
    """Row -> name of the network: WRN, for series the 1-D ResNet, and the task's expert if we have it.

    Args:
        task: The task.
        num_axes: 1 for series, 2 for images and fields.
    """
    rows = {"WRN-16-1" if is_small(task) else "WRN-16-4": "wrn-16-1" if is_small(task) else "wrn-16-4"}
    if num_axes == 1:
        rows["1-D ResNet"] = "resnet-1d"
    if task.name in _EXPERTS:
        rows[f"expert: {_EXPERTS[task.name]}"] = _EXPERTS[task.name]
    return rows


def derived_from(task: Task, num_axes: int, chosen: Sequence[str]) -> str:
    """Name the network that DASH's search on the task has chosen."""
    images = "wrn-16-1" if is_small(task) else "wrn-16-4"
    return f"dash-{'resnet-1d' if num_axes == 1 else images}:{','.join(chosen)}"


def sources_for(task: Task, tables: Mapping[str, TableTask], search: str) -> dict[str, TableTask] | None:
    """Select the tasks that the predictor of a search may learn from.

    Args:
        task: Task to search for.
        tables: All tasks, those of our own table among them.
        search: One of `SEARCHES`.

    Returns:
        Name -> task; None if the search has no predictor, or would be another one's.
    """
    family = task.family or task.name
    strict = {name: source for name, source in tables.items() if family not in source.datasets}
    if search == "MP-NAS":
        return strict
    if search == "random predictor":
        return None
    ours = "mixed/"
    published = {name: source for name, source in tables.items() if name in strict or not name.startswith(ours)}
    return published if len(published) > len(strict) else None
