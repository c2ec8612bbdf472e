"""All measurements of the predictor study, which can be looked up by method, target and setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cluster.experiments.studies.estimates import Estimate
from cluster.experiments.studies.predictors.judging import Measurement
from cluster.experiments.studies.predictors.units import Unit

__all__ = ["Measure", "Results", "TestSet"]

Measure = Literal["kendall", "spearman"]
TestSet = Literal["uniform", "mutants"]


@dataclass(frozen=True)
class Results:
    """All measurements of all units."""

    measured: Mapping[Unit, Sequence[Measurement]]

    @property
    def targets(self) -> list[str]:
        """All targets, in the order of their units."""
        return list(dict.fromkeys(unit.target for unit in self.measured))

    def methods(self, targets: Sequence[str]) -> list[str]:
        """Return the methods judged on any of these targets, in the order of their units."""
        return list(dict.fromkeys(unit.method for unit in self.measured if unit.target in targets))

    def of(self, method: str, target: str, size: int, epochs: int = 0) -> list[Measurement]:
        """Return the measurements of a setting, one for each seed."""
        return [
            one
            for unit, measurements in self.measured.items()
            if (unit.method, unit.target) == (method, target)
            for one in measurements
            if (one.size, one.epochs) == (size, epochs)
        ]

    def settings(self, method: str, target: str) -> list[tuple[int, int]]:
        """Return all (size, epochs) that were measured, ascending."""
        return sorted(
            {
                (one.size, one.epochs)
                for unit, measurements in self.measured.items()
                if (unit.method, unit.target) == (method, target)
                for one in measurements
            }
        )

    def estimate(
        self,
        method: str,
        targets: Sequence[str],
        size: int,
        epochs: Sequence[int] | None = None,
        *,
        measure: Measure = "kendall",
        tested: TestSet = "uniform",
    ) -> Estimate | None:
        """Average over seeds the mean over targets; None if a target has none.

        Args:
            method: Name of the method.
            targets: Targets whose mean is taken for each seed.
            size: Size of the training sets.
            epochs: Epochs seen of the judged architectures, one number for each target; none if None.
            measure: The correlation.
            tested: The architectures that are ranked.
        """
        columns = []
        for target, seen in zip(targets, epochs or [0] * len(targets), strict=True):
            found = [getattr(one, tested) for one in self.of(method, target, size, seen)]
            columns.append([getattr(one, measure) for one in found if one is not None])
        shortest = min(map(len, columns))
        if shortest == 0:
            return None
        return Estimate.of(np.mean([column[:shortest] for column in columns], axis=0).tolist())

    def seconds(
        self, method: str, targets: Sequence[str], size: int, epochs: Sequence[int] | None = None
    ) -> tuple[float, float] | None:
        """Return the median CPU seconds of fitting, and of one query."""
        found = [
            one
            for target, seen in zip(targets, epochs or [0] * len(targets), strict=True)
            for one in self.of(method, target, size, seen)
        ]
        if not found:
            return None
        return (
            float(np.median([one.setup_seconds for one in found])),
            float(np.median([one.query_seconds for one in found])),
        )
