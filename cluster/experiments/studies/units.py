"""One unit of work: learn from the sources of a fold, judge on its targets, leave one file.

A unit has a folder of its own in the work folder:

    result.json            all that was measured, with all settings: written whole, last
    predictor.*            the meta-learned predictor, where there is one (`mpnas_ray.pretrained.load_checkpoint`)
    <digest>.training      an interrupted meta-training of these settings; gone once there is a result
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cluster.experiments.protocol.folds import ACROSS_SPACES, STRICT_ACROSS_SPACES, TASKS, Fold
from cluster.experiments.protocol.measuring import Measurement, draws_of, measure
from cluster.experiments.protocol.splits import SPLIT_SEED, SpaceSplit, Split, judgeable, split_space
from cluster.experiments.studies.methods import Method, Sources
from cluster.work.result_files import versions
from mpnas_ray.files.atomic import write_atomic
from mpnas_ray.meta_learning.gradient import MetaConfig
from mpnas_ray.pretrained import PredictorCard, refuse_if_seen
from mpnas_ray.tables import TableTask, load_tasks

__all__ = ["Unit", "UnitResult", "compute", "identity", "read", "study_tasks"]

_KIND = "mpnas-ray unit of a study"
_FORMAT = 1
_UNSPLIT = "nasbench101"
"""Learned from whole: it is never judged on in a fold that learns from it."""


@dataclass(frozen=True)
class Unit:
    """Which fold, which method (a name in `methods.METHODS`), which split, and the seed of the method."""

    fold: Fold
    method: str
    split: Split = "random"
    seed: int = 0

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"{self.fold.name}.{self.method}.{self.split}.{self.seed}"

    def targets(self, method: Method) -> tuple[str, ...]:
        """The tasks of the fold that the method is judged on."""
        return tuple(name for name in self.fold.targets if method.space in (None, name.partition("/")[0]))

    def draws(self, target: str, method: Method) -> dict[int, int]:
        """Number of fine-tuning models -> number of draws."""
        draws = draws_of(
            target, self.split, self.method, across_spaces=self.fold in (ACROSS_SPACES, STRICT_ACROSS_SPACES)
        )
        return {points: number for points, number in draws.items() if points or method.zero_shot}


@dataclass(frozen=True)
class UnitResult:
    """What a unit measured.

    Attributes:
        identity: All settings, see `identity`.
        measurements: Of all targets, rows and numbers of fine-tuning models.
        learn_seconds: Meta-training, see `methods.Learned`.
        versions: Of what computed it.
    """

    identity: dict[str, Any]
    measurements: tuple[Measurement, ...]
    learn_seconds: float
    versions: dict[str, str]


def study_tasks(folder: str | Path) -> dict[str, TableTask]:
    """The tasks of all studies, read from a folder of tables.

    Raises:
        TableError: If one is missing, naming the file it comes from.
    """
    return load_tasks(folder, TASKS)


def identity(unit: Unit, method: Method, tasks: Mapping[str, TableTask]) -> dict[str, Any]:
    """All that a result depends on but the program: a file with another identity is not this unit's."""
    targets = unit.targets(method)
    found = {
        "fold": unit.fold.name,
        "method": unit.method,
        "split": unit.split,
        "seed": unit.seed,
        "settings": method.settings(unit.seed),
        "split_seed": SPLIT_SEED,
        "sources": {name: _fingerprint(task) for name, task in unit.fold.sources(tasks).items()},
        "targets": {name: _fingerprint(tasks[name]) for name in targets},
        "draws": {name: unit.draws(name, method) for name in targets},
    }
    plain: dict[str, Any] = json.loads(json.dumps(found))
    return plain


def compute(unit: Unit, method: Method, tables: str | Path, work: str | Path) -> None:
    """Do a unit's work and write its file. Interrupted and called again, meta-training goes on where it was.

    Args:
        unit: What to do.
        method: What ``unit.method`` stands for.
        tables: Folder of NAS tables.
        work: Folder of the units.

    Raises:
        MPNASError: If tables cannot be read, a target is among the sources, or learning fails.
    """
    tasks = study_tasks(tables)
    settings = identity(unit, method, tasks)
    folder = _folder(work, unit)
    folder.mkdir(parents=True, exist_ok=True)
    training = f"{hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:12]}.training"

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
    result = UnitResult(settings, tuple(measurements), learned.seconds, versions())
    content = {"kind": _KIND, "format": _FORMAT, **asdict(result)}
    write_atomic(folder / "result.json", json.dumps(content, indent=1) + "\n")
    for unfinished in folder.glob("*.training"):  # also those of settings that were given up
        unfinished.unlink()


def read(unit: Unit, work: str | Path, expected: Mapping[str, Any]) -> UnitResult | None:
    """What a unit measured, or None if it must be computed: no file, a damaged one, or one of other settings."""
    try:
        content = json.loads((_folder(work, unit) / "result.json").read_text(encoding="utf-8"))
        if (content["kind"], content["format"], content["identity"]) != (_KIND, _FORMAT, expected):
            return None
        return UnitResult(
            content["identity"],
            tuple(Measurement.from_dict(values) for values in content["measurements"]),
            float(content["learn_seconds"]),
            dict(content["versions"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _training_part(task: TableTask, splits: Mapping[str, SpaceSplit]) -> TableTask:
    split = splits.get(task.archs.space.name)
    return task if split is None else task[split.is_training(task.archs)]


def _folder(work: str | Path, unit: Unit) -> Path:
    return Path(work) / unit.name


def _fingerprint(task: TableTask) -> list[float]:
    """Number of architectures, sum of scores, and a sum that knows their order."""
    return [len(task), float(np.sum(task.scores)), float(task.scores @ np.linspace(0, 1, len(task)))]
