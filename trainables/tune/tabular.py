"""Look trials up in a NAS table instead of training, so that an experiment can be rehearsed in seconds."""

from __future__ import annotations

import time
from typing import Any

from ray import tune

from mpnas_ray.checks import require_instance, require_number
from mpnas_ray.errors import TaskError
from mpnas_ray.tables import TableTask, load_tasks

__all__ = ["TabularTrainable"]


class TabularTrainable(tune.Trainable):
    """Report the value that a table has measured of ``config["arch"]``, in one step.

    Config, all plain values:
        arch: Architecture string.
        tables: Folder of NAS tables, as `mpnas_ray.tables.load_tasks` reads it.
        table_task: Name of the task there, e.g. ``nasbench201/cifar10@valid``.
        seconds: Seconds that a trial takes, in which it sleeps. Default 0.

    Reports the value under the name of the task's metric (``TableTask.metric``, e.g. ``valid_accuracy``), in the
    table's own unit and direction (``TableTask.mode``). An architecture that the table has not measured is an error.

    Example:
        >>> tuner = tune.Tuner(
        ...     TabularTrainable,
        ...     param_space={"tables": "/data/nas-tables", "table_task": "nasbench201/cifar10@valid"},
        ...     tune_config=tune.TuneConfig(
        ...         search_alg=MPNASSearch("nasbench201"), metric="valid_accuracy", mode="max", num_samples=100
        ...     ),
        ... )

    A table at hand is passed along: ``tune.with_parameters(TabularTrainable, table=task)``.
    """

    _loaded: tuple[tuple[str, str], TableTask] | None = None

    def setup(self, config: dict[str, Any], table: TableTask | None = None) -> None:
        """Read the table, unless this actor has it."""
        if table is not None:
            require_instance("table", table, TableTask, error=TaskError)
        self._given = table
        self._look_up(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take over another trial's config."""
        self._look_up(new_config)
        return True

    def _look_up(self, config: dict[str, Any]) -> None:
        missing = [key for key in ("arch", "tables", "table_task") if key not in config]
        if missing and (missing[0] == "arch" or self._given is None):
            raise TaskError(f'config["{missing[0]}"] is missing: TabularTrainable takes arch, tables and table_task.')
        require_number('config["seconds"]', config.get("seconds", 0), at_least=0, error=TaskError)
        task = self._given or self._table(str(config["tables"]), str(config["table_task"]))
        self._result = {task.metric: task.value_of(config["arch"]), "done": True}
        self._seconds = float(config.get("seconds", 0))

    def _table(self, folder: str, name: str) -> TableTask:
        if self._loaded is None or self._loaded[0] != (folder, name):
            self._loaded = ((folder, name), load_tasks(folder, [name])[name])
        return self._loaded[1]

    def step(self) -> dict[str, Any]:
        """Report the measured value."""
        time.sleep(self._seconds)
        return dict(self._result)

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Save nothing, since a trial has only one step."""

    def load_checkpoint(self, checkpoint: dict[str, Any] | str | None) -> None:
        """Load nothing."""
