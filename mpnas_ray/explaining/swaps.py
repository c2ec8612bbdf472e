"""Changes of the predicted score where one slot of an architecture holds another value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from mpnas_ray.explaining.completions import codes_of
from mpnas_ray.predictors.base import Predictor
from mpnas_ray.spaces import Architecture, Architectures

__all__ = ["Costs", "Swap", "swaps"]

Costs = Mapping[str, Callable[[Architectures], ArrayLike]]
"""Name of a cost -> function from N architectures to what each costs, ``[N]``."""

_NUM_SAMPLES = 256
"""Number of functions that standard deviations are of, which are then good to 5 %."""

_NUM_OTHERS = 256
"""Number of architectures of the space over which these functions are brought to the unit of scores."""


@dataclass(frozen=True)
class Swap:
    """An architecture one swap away.

    Attributes:
        slot: Name of the slot.
        old: Operation that it holds.
        new: Operation that it would hold.
        arch: Architecture with it.
        change: Change of the predicted score, in units of its standard deviation over the space.
        std: Standard deviation of this change by the predictor's uncertainty; None if it has none.
        costs: Name of each cost -> its change.
    """

    slot: str
    old: str
    new: str
    arch: str
    change: float
    std: float | None
    costs: Mapping[str, float] = field(default_factory=dict)


def swaps(predictor: Predictor, arch: Architecture, others: Architectures, unit: float, costs: Costs) -> list[Swap]:
    """List all swaps of one slot, the best first.

    Args:
        predictor: Predictor that ranks already.
        arch: Architecture to start from.
        others: Random architectures of its space.
        unit: Standard deviation of the predicted scores over the space.
        costs: Costs to compare, beside the score.
    """
    space, codes = arch.space, codes_of(arch)
    named, rows = [], [codes]
    for slot in space.slots(codes):
        for value, new in enumerate(slot.values):
            if value != codes[slot.place]:
                row = codes.copy()
                row[slot.place] = value
                named.append((slot.name, slot.values[codes[slot.place]], new))
                rows.append(row)
    if not named:
        return []
    archs = Architectures(space, np.stack(rows))
    predicted = np.asarray(predictor.predict(archs), dtype=np.float64) / unit
    deviations = _deviations(predictor, archs, others)
    priced = {name: np.asarray(cost(archs), dtype=np.float64) for name, cost in costs.items()}
    found = [
        Swap(
            *names,
            arch=str(archs[row]),
            change=float(predicted[row] - predicted[0]),
            std=None if deviations is None else float(deviations[row]),
            costs={name: float(values[row] - values[0]) for name, values in priced.items()},
        )
        for row, names in enumerate(named, 1)
    ]
    return sorted(found, key=lambda swap: -swap.change)


def _deviations(predictor: Predictor, archs: Architectures, others: Architectures) -> np.ndarray | None:
    """Compute the standard deviations of the score of each architecture minus that of the first, ``[N]``."""
    sample_scores = getattr(predictor, "sample_scores", None)
    if sample_scores is None:
        return None
    everything = Architectures(archs.space, np.concatenate([archs.codes, others.codes[:_NUM_OTHERS]]))
    drawn = sample_scores(everything, _NUM_SAMPLES, np.random.default_rng(0))
    unit = drawn[:, len(archs) :].mean(axis=0).std()
    if not unit > 0:
        return None
    own = drawn[:, : len(archs)]
    deviations: np.ndarray = (own - own[:, :1]).std(axis=0) / unit
    return deviations
