"""One unit of work: learn from the sources of a fold, and judge on its targets.

In the work folder, a unit that is done has the file ``<unit>.json``, and what it learns has a folder:

    <unit>/predictor.*            the meta-learned predictor, where there is one (`mpnas_ray.pretrained`)
    <unit>/<digest>.training      an interrupted meta-training of these settings; gone once the unit is done
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cluster.experiments.protocol.fingerprints import fingerprint
from cluster.experiments.protocol.folds import ACROSS_SPACES, STRICT_ACROSS_SPACES, TASKS, Fold
from cluster.experiments.protocol.measuring import Measurement, draws_of, measure
from cluster.experiments.protocol.splits import SPLIT_SEED, SpaceSplit, Split, judgeable, split_space
from cluster.experiments.studies.ranking.methods import Method, Sources
from cluster.work.items import WorkItem
from cluster.work.provenance import versions
from mpnas_ray.meta_learning.gradient import MetaConfig
from mpnas_ray.pretrained import PredictorCard, refuse_if_seen
from mpnas_ray.tables import TableTask, load_tasks

__all__ = ["Unit", "UnitResult", "compute", "identity", "study_tasks", "unit_item"]

_UNSPLIT = "nasbench101"
"""Learned from whole: it is never judged on in a fold that learns from it."""


@dataclass(frozen=True)
class Unit:
    """A fold, a method (a name in `methods.METHODS`), a split, and the seed of the method."""

    fold: Fold
    method: str
    split: Split = "random"
    seed: int = 0

    @property
    def name(self) -> str:
        """Name of the unit's folder."""
        return f"{self.fold.name}.{self.method}.{self.split}.{self.seed}"

    def targets(self, method: Method) -> tuple[str, ...]:
        """Return the tasks of the fold that the method is judged on."""
        return tuple(name for name in self.fold.targets if method.space in (None, name.partition("/")[0]))

    def draws(self, target: str, method: Method) -> dict[int, int]:
        """Return number of fine-tuning models -> number of draws."""
        draws = draws_of(
            target, self.split, self.method, across_spaces=self.fold in (ACROSS_SPACES, STRICT_ACROSS_SPACES)
        )
        return {points: number for points, number in draws.items() if points or method.zero_shot}


@dataclass(frozen=True)
class UnitResult:
    """The measurements of a unit.

    Attributes:
        measurements: All targets, rows and numbers of fine-tuning models.
        learn_seconds: Seconds of meta-training, see `methods.Learned`.
        versions: Versions of what computed it.
    """

    measurements: tuple[Measurement, ...]
    learn_seconds: float
    versions: dict[str, str]

    @classmethod
    def from_plain(cls, result: Mapping[str, Any]) -> UnitResult:
        """Return the result that `compute` gave in plain values."""
        measurements = tuple(Measurement.from_dict(values) for values in result["measurements"])
        return cls(measurements, result["learn_seconds"], result["versions"])


def study_tasks(folder: str | Path) -> dict[str, TableTask]:
    """Load the tasks of all studies from a folder of tables.

    Raises:
        TableError: If one is missing, naming the file it comes from.
    """
    return load_tasks(folder, TASKS)


def identity(unit: Unit, method: Method, tasks: Mapping[str, TableTask]) -> dict[str, Any]:
    """Return all that a unit's result depends on but the program."""
    targets = unit.targets(method)
    found = {
        "fold": unit.fold.name,
        "method": unit.method,
        "split": unit.split,
        "seed": unit.seed,
        "settings": method.settings(unit.seed),
        "split_seed": SPLIT_SEED,
        "sources": {name: fingerprint(task) for name, task in unit.fold.sources(tasks).items()},
        "targets": {name: fingerprint(tasks[name]) for name in targets},
        "draws": {name: unit.draws(name, method) for name in targets},
    }
    plain: dict[str, Any] = json.loads(json.dumps(found))
    return plain


def unit_item(unit: Unit, method: Method, tasks: Mapping[str, TableTask], tables: Path, work: Path) -> WorkItem:
    """Describe a unit as work.

    Args:
        unit: The unit.
        method: The method that ``unit.method`` names.
        tasks: Tasks that `study_tasks` returned for the same folder.
        tables: Folder of NAS tables, which all nodes must reach.
        work: Folder of the units, which all nodes must reach.
    """
    compute_it = partial(compute, unit, method, tables, work / unit.name)
    return WorkItem(unit.name, identity(unit, method, tasks), compute_it)


def compute(unit: Unit, method: Method, tables: Path, folder: Path) -> dict[str, Any]:
    """Do a unit's work. Interrupted and called again, meta-training goes on where it was.

    Args:
        unit: The unit.
        method: The method that ``unit.method`` names.
        tables: Folder of NAS tables.
        folder: Folder of this unit.

    Returns:
        The fields of a `UnitResult`, in plain values.

    Raises:
        MPNASError: If tables cannot be read, a target is among the sources, or learning fails.
    """
    tasks = study_tasks(tables)
    settings = json.dumps(identity(unit, method, tasks))
    folder.mkdir(parents=True, exist_ok=True)
    training = f"{hashlib.sha256(settings.encode()).hexdigest()[:12]}.training"

    whole = unit.fold.sources(tasks)
    spaces = {task.archs.space.name for task in whole.values()} - {_UNSPLIT}
    splits = {space: split_space(tasks, space, unit.split) for space in sorted(spaces)}
    parts = {name: _training_part(task, splits) for name, task in whole.items()}
    card = PredictorCard.of(unit.name, MetaConfig(), whole)
    for name in unit.targets(method):
        if name not in unit.fold.may_share:
            refuse_if_seen(card, tasks[name])
    learned = method.learn(Sources(parts, whole), unit.seed, folder, training)
    measurements = []
    for name in unit.targets(method):
        rows = judgeable(tasks[name], splits.get(tasks[name].archs.space.name))
        for row, ranker in learned.rankers(tasks[name]).items():
            measurements += measure(tasks[name], rows, unit.split, unit.draws(name, method), row, ranker)
    for unfinished in folder.glob("*.training"):  # also those of settings that were given up
        unfinished.unlink()
    return asdict(UnitResult(tuple(measurements), learned.seconds, versions()))


def _training_part(task: TableTask, splits: Mapping[str, SpaceSplit]) -> TableTask:
    split = splits.get(task.archs.space.name)
    return task if split is None else task[split.is_training(task.archs)]
