"""The rows of a study, which its JSON file holds, and which its page is written from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from cluster.experiments.protocol.folds import SINGLE_SOURCE
from cluster.experiments.studies.estimates import Estimate
from cluster.experiments.studies.ranking.units import Unit, UnitResult
from mpnas_ray.tables import TableTask

__all__ = ["Row", "Rows", "averaged", "mean_of", "rows_of", "with_transfer"]


@dataclass(frozen=True)
class Row:
    """The draws of one target, method and number of fine-tuning models.

    Attributes:
        method: The row's label, e.g. ``mixture, kind not told``.
        target: Task that was judged on.
        points: Number of fine-tuning models.
        split: Split of the architectures.
        seed: Seed of the method.
        fold: Fold whose sources were learned from.
        values: Spearman correlation of each draw.
        learn_seconds: Seconds of meta-training.
        adapt_seconds: Fine-tuning, one draw, mean.
        predict_seconds: Ranking of all query architectures, one draw, mean.
    """

    method: str
    target: str
    points: int
    split: str
    seed: int
    fold: str
    values: tuple[float, ...]
    learn_seconds: float
    adapt_seconds: float
    predict_seconds: float

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Row:
        """Read an entry of a study's JSON file, which has the mean and its error beside the row's own values."""
        own = {item.name: values[item.name] for item in fields(cls)}
        return cls(**{**own, "values": tuple(own["values"])})

    @property
    def estimate(self) -> Estimate:
        """Mean and standard error over the draws."""
        return Estimate.of(self.values)


@dataclass(frozen=True)
class Rows:
    """Rows that can be looked up by method, target and number of models."""

    every: tuple[Row, ...]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.every)

    def find(
        self, method: str, target: str, points: int, *, split: str = "random", seed: int = 0, fold: str | None = None
    ) -> Row | None:
        """Find a row, or None; ``fold`` is needed where several folds judge on one target."""
        wanted = (method, target, points, split, seed)
        return next(
            (
                row
                for row in self.every
                if (row.method, row.target, row.points, row.split, row.seed) == wanted and fold in (None, row.fold)
            ),
            None,
        )


def rows_of(results: Mapping[Unit, UnitResult]) -> list[Row]:
    """Collect all rows of units. A method that learned from a single source is called a transfer from it."""
    single = {fold.name: fold.candidates[0] for fold in SINGLE_SOURCE}
    return [
        Row(
            f"transfer from {single[unit.fold.name]}" if unit.fold.name in single else measured.row,
            measured.target,
            measured.points,
            unit.split,
            unit.seed,
            unit.fold.name,
            measured.values,
            result.learn_seconds,
            measured.adapt_seconds,
            measured.predict_seconds,
        )
        for unit, result in results.items()
        for measured in result.measurements
    ]


def averaged(rows: Sequence[Row], method: str, fold: str) -> list[Row]:
    """Average rows of equal target and number of models, such as transfers from several sources, draw by draw."""
    groups: dict[tuple[str, int, str, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.target, row.points, row.split, row.seed), []).append(row)
    return [
        Row(
            method,
            *of_group,
            fold,
            tuple(np.mean([row.values for row in members], axis=0).tolist()),
            *(float(np.mean([getattr(row, name) for row in members])) for name in _SECONDS),
        )
        for of_group, members in groups.items()
    ]


def with_transfer(rows: list[Row], _: Mapping[str, TableTask]) -> list[Row]:
    """Add ``transfer``: for each target the mean over all single sources that it can be reached from."""
    return rows + averaged([row for row in rows if row.method.startswith("transfer from ")], "transfer", "each source")


def mean_of(rows: Sequence[Row]) -> Estimate:
    """Average over targets, whose draws are independent of each other."""
    estimates = [row.estimate for row in rows]
    errors = [estimate.standard_error for estimate in estimates]
    known = [error for error in errors if error is not None]
    error = math.sqrt(sum(error**2 for error in known)) / len(rows) if len(known) == len(rows) else None
    return Estimate(float(np.mean([estimate.mean for estimate in estimates])), error)


_SECONDS = ("learn_seconds", "adapt_seconds", "predict_seconds")
