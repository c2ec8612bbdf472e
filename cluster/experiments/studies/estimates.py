"""Means of repeated measurements, with their standard errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Estimate"]


@dataclass(frozen=True)
class Estimate:
    """A mean and its standard error; None where there is but one value."""

    mean: float
    standard_error: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Estimate:
        """Estimate from at least one value; they are independent of each other."""
        error = float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None
        return cls(float(np.mean(values)), error)

    def shown(self, decimals: int) -> str:
        """Write ``0.93 ± 0.01``, with so many decimals; the mean alone where there is no error."""
        mean = f"{self.mean:.{decimals}f}"
        return mean if self.standard_error is None else f"{mean} ± {self.standard_error:.{decimals}f}"
