"""One method of the predictor study on one target with one seed: what it is asked, and the file that it leaves."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.experiments.studies.predictors.targets import Draw
from cluster.work.result_files import versions
from mpnas_ray.errors import RunError
from mpnas_ray.files.atomic import write_atomic
from mpnas_ray.stats import kendall, spearman
from mpnas_ray.tables import TableTask, load_tasks

__all__ = [
    "Agreement",
    "Measurement",
    "Ranking",
    "Unit",
    "agreement",
    "judged",
    "measured",
    "read",
    "read_whole",
    "target_of",
    "write",
]

_KIND = "mpnas-ray unit of the predictor study"
_FORMAT = 1


@dataclass(frozen=True)
class Agreement:
    """How well a ranking agrees with the measured one.

    Attributes:
        kendall: Tau-b, -1 to 1; 0 where the ranking has no order at all.
        spearman: Rank correlation, likewise.
        judged: Number of architectures.
    """

    kendall: float
    spearman: float
    judged: int


@dataclass(frozen=True)
class Measurement:
    """What a method came to with one training set.

    Attributes:
        size: Number of training architectures; 0 if it needs none.
        epochs: Epochs that it saw of each judged architecture; 0 if it needs none.
        uniform: On uniformly drawn architectures.
        mutants: On mutants of the best of the training set; None where there are none, or no training set.
        setup_seconds: CPU time of fitting, without the training of the architectures.
        query_seconds: CPU time for one architecture, without its epochs.
    """

    size: int
    epochs: int
    uniform: Agreement
    mutants: Agreement | None
    setup_seconds: float
    query_seconds: float

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Measurement:
        """Inverse of `dataclasses.asdict`, through JSON."""
        mutants = values["mutants"]
        return cls(
            **{
                **values,
                "uniform": Agreement(**values["uniform"]),
                "mutants": None if mutants is None else Agreement(**mutants),
            }
        )


@dataclass(frozen=True)
class Unit:
    """A method (of `methods.METHODS`) on a target with a seed."""

    method: str
    target: str
    seed: int

    @property
    def name(self) -> str:
        """Of its file, from the work folder, without ending."""
        return f"{self.target.replace('/', '.')}/{self.method}.{self.seed}"


def target_of(name: str, tables: Path, own_table: Path) -> TableTask:
    """A target; read once a process."""
    return _tasks(name, own_table if name.startswith("mixed/") else tables)


@lru_cache(maxsize=16)
def _tasks(name: str, source: Path) -> TableTask:
    return load_tasks(source, [name])[name]


Ranking = Callable[[NDArray[np.int64]], NDArray[np.float64]]
"""Rows of a target -> predicted scores; higher is better."""


def measured(draw: Draw, size: int, setup: Callable[[], Ranking]) -> Measurement:
    """Set a method up, which is timed, and judge it.

    Args:
        draw: Architectures to judge on.
        size: Of the training set; there are no mutants without one.
        setup: Fits the method.
    """
    start = time.process_time()
    ranking = setup()
    return judged(draw, size, 0, ranking, time.process_time() - start)


def judged(draw: Draw, size: int, epochs: int, ranking: Ranking, setup_seconds: float) -> Measurement:
    """Judge a method that is set up; arguments as `Measurement` has them."""
    start = time.process_time()
    predicted = ranking(draw.test)
    seconds = (time.process_time() - start) / len(draw.test)
    rows = draw.mutants(size) if size and not epochs else None
    return Measurement(
        size,
        epochs,
        agreement(predicted, draw.target.scores[draw.test]),
        None if rows is None or len(rows) < 2 else agreement(ranking(rows), draw.target.scores[rows]),
        setup_seconds,
        query_seconds=seconds,
    )


def agreement(predicted: NDArray[np.float64], scores: NDArray[np.float64]) -> Agreement:
    """Of N predicted scores with N measured ones; what is not finite ranks last."""
    finite = np.isfinite(predicted)
    lowest = predicted[finite].min() - 1.0 if finite.any() else 0.0
    ranked = np.where(finite, predicted, lowest)
    return Agreement(kendall(ranked, scores), float(spearman(ranked, scores)), len(scores))


def write(work: Path, unit: Unit, target: TableTask, measurements: list[Measurement]) -> None:
    """Leave the unit's file."""
    content = {
        "kind": _KIND,
        "format": _FORMAT,
        **_identity(unit, target),
        "versions": versions(),
        "measurements": [asdict(one) for one in measurements],
    }
    write_atomic(work / f"{unit.name}.json", json.dumps(content, allow_nan=False) + "\n")


def read(work: Path, unit: Unit, target: TableTask) -> list[Measurement] | None:
    """What a unit measured; None if it must be done: no file, a damaged one, or one of another table."""
    try:
        content = json.loads((work / f"{unit.name}.json").read_text(encoding="utf-8"))
        expected = {"kind": _KIND, "format": _FORMAT, **_identity(unit, target)}
        if not expected.items() <= content.items():
            return None
        return [Measurement.from_dict(values) for values in content["measurements"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_whole(work: Path, unit: Unit, target: TableTask) -> list[Measurement]:
    """What a unit that was done measured.

    Raises:
        RunError: If its file is not there.
    """
    found = read(work, unit, target)
    if found is None:
        raise RunError(f"{unit.name} is done, but its file is not in {work}: all nodes must reach that folder.")
    return found


def _identity(unit: Unit, target: TableTask) -> dict[str, Any]:
    return {**asdict(unit), "measured": len(target), "total": float(target.raw.sum())}
