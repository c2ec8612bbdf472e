"""Table 7: do the missing work of all its tasks, and show what came out."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cluster.experiments.studies.study import Report
from cluster.experiments.studies.table7.charts import charts
from cluster.experiments.studies.table7.measuring import MeasuredTask
from cluster.experiments.studies.table7.methods import DEFAULT_TASKS, SEARCHES
from cluster.experiments.studies.table7.page import body_of, save_curves
from cluster.experiments.studies.table7.searching import NUM_SAMPLES
from cluster.ray.connection import connected, most_concurrent
from cluster.ray.resources import check_gpus
from cluster.report.html import Html
from mpnas_ray.checks import require_count
from mpnas_ray.errors import RunError
from mpnas_ray.meta_learning.mixture import MixtureConfig
from mpnas_ray.tables import BUNDLED_TABLE, load_tasks
from trainables.tasks.core.cache import check_data_dir
from trainables.tasks.core.task import get_task, task_reference

__all__ = ["TABLE7", "Table7"]


@dataclass(frozen=True)
class Table7:
    """Networks found by training candidates; see `cluster.experiments.studies.study.Study`.

    Attributes:
        seeds: Number of live searches and of trainings.
        replay_seeds: Number of searches on our own table.
        config: Settings of the meta-learning.
        own_table: A file of `mpnas tables build`.

    Raises:
        RunError: If a number is below 1.
    """

    name: str = "table7"
    title: str = "Table 7: networks found by training candidates"
    holds: str = "All numbers, curves and found architectures are"
    options: tuple[str, ...] = ("tasks", "data_dir", "gpus_per_trial")
    has_picture: bool = True
    seeds: int = 3
    replay_seeds: int = 20
    config: MixtureConfig = field(default_factory=MixtureConfig)
    own_table: Path = BUNDLED_TABLE

    def __post_init__(self) -> None:
        for name in ("seeds", "replay_seeds"):
            require_count(name, getattr(self, name), 1, error=RunError)

    def measure(
        self,
        tables: Path,
        work: Path,
        report: Report,
        *,
        tasks: Sequence[str] = DEFAULT_TASKS,
        gpus_per_trial: float = 0.0,
        data_dir: str | Path | None = None,
    ) -> dict[str, Any]:
        """Search and train what is missing.

        Args:
            tables: Folder of NAS tables to meta-learn from, with our own one.
            work: Folder of the work.
            report: Receives a line for each step.
            tasks: Names of tasks; of those on full data the files must be there.
            gpus_per_trial: GPUs of each candidate and of each last training; a fraction lets them share one.
            data_dir: Folder of the user's data files.
        """
        gpus_per_trial = check_gpus("gpus_per_trial", gpus_per_trial)
        folder = check_data_dir(data_dir)
        for reference in tasks:
            get_task(reference).load_checked(folder)
        known = {**load_tasks(tables), **load_tasks(self.own_table)}
        with connected():
            most_concurrent({"CPU": 1.0, "GPU": gpus_per_trial})
            results = [
                MeasuredTask(
                    reference=reference,
                    tables=tables,
                    own_table=self.own_table,
                    work=work / self.name,
                    data_dir=folder,
                    config=self.config,
                    gpus=gpus_per_trial,
                    report=report,
                ).results(known, self.seeds, self.replay_seeds)
                for reference in map(task_reference, tasks)
            ]
        command = ["mpnas", "reproduce", self.name, "--tables", "DIR"]
        if tuple(tasks) != DEFAULT_TASKS:
            command += [part for task in tasks for part in ("--task", task)]
        return {
            "command": shlex.join(command),
            "seeds": {"live": self.seeds, "replayed": self.replay_seeds},
            "num_samples": NUM_SAMPLES,
            "searches": SEARCHES,
            "tasks": [asdict(one) for one in results],
        }

    def body(self, content: Mapping[str, Any]) -> str:
        """Write the page from the outcomes."""
        return body_of(content)

    def save_picture(self, content: Mapping[str, Any], path: Path) -> None:
        """Draw the best validation score so far."""
        save_curves(content, path)

    def charts(self, content: Mapping[str, Any]) -> list[Html]:
        """Draw the same for the page with charts."""
        return charts(content)


TABLE7 = Table7()
