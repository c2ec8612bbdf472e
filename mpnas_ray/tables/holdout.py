"""Select the tasks that may be learned from when one is held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mpnas_ray.errors import TableError
from mpnas_ray.names import no_such
from mpnas_ray.tables.origins import origins
from mpnas_ray.tables.table_task import TableTask

__all__ = ["leaves_out"]


def leaves_out(tasks: Mapping[str, TableTask], held_out: str | Sequence[str]) -> dict[str, TableTask]:
    """Select the tasks that share neither a data set nor a device with those held out, in their order.

    So every column of a held-out data set goes, in every table: other budgets, releases, splits and spaces; for a
    latency, every column of its device and of all devices of its family. Names are compared by `origins`.

    Args:
        tasks: Tasks by name, as `load_tasks` returns them.
        held_out: Name, or names, of tasks among them, of their devices, or of families of their devices.

    Raises:
        TableError: If no task, and no device or family of a task, has that name.
    """
    names = [held_out] if isinstance(held_out, str) else list(held_out)
    devices = {device for task in tasks.values() for device in task.devices}
    known = origins(devices)
    unseen: set[str] = set()
    for name in names:
        if name in tasks:
            unseen |= origins((*tasks[name].datasets, *tasks[name].devices))
        elif origins([name]) <= known:
            unseen |= origins([name])
        else:
            raise TableError(no_such("task", name, [*tasks, *sorted(devices)], after="to hold out"))
    return {
        name: task
        for name, task in tasks.items()
        if name not in names and unseen.isdisjoint(origins((*task.datasets, *task.devices)))
    }
