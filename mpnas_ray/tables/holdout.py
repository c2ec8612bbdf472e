"""Which tasks may be learned from when one is held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mpnas_ray.errors import TableError
from mpnas_ray.names import no_such
from mpnas_ray.tables.table_task import TableTask

__all__ = ["leaves_out"]


def leaves_out(tasks: Mapping[str, TableTask], held_out: str | Sequence[str]) -> dict[str, TableTask]:
    """The tasks that share neither a data set nor a device with those held out, in their order.

    So every column of a held-out data set goes, in every table: other budgets, releases, splits and spaces; for a
    latency, every column of its device.

    Args:
        tasks: As from `load_tasks`.
        held_out: Name, or names, among them.

    Raises:
        TableError: If there is no task of that name.
    """
    names = [held_out] if isinstance(held_out, str) else list(held_out)
    for name in names:
        if name not in tasks:
            raise TableError(no_such("task", name, tasks, after="to hold out"))
    datasets = {dataset for name in names for dataset in tasks[name].datasets}
    devices = {device for name in names for device in tasks[name].devices}
    return {
        name: task
        for name, task in tasks.items()
        if name not in names and datasets.isdisjoint(task.datasets) and devices.isdisjoint(task.devices)
    }
