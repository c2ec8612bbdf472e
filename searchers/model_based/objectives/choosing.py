"""The order in which to try candidates so that a front grows most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from searchers.model_based.objectives.directions import Scale, losses, random_weights
from searchers.model_based.objectives.expected_improvement import (
    Steps,
    expected_chebyshev_improvement,
    expected_hypervolume_improvement,
)
from searchers.model_based.objectives.front import non_dominated

__all__ = ["Belief", "best_for_front"]

Floats = NDArray[np.float64]

_NUM_TOGETHER = 16
"""Number of proposals that are chosen for each other's sake: more than are made between two rankings."""

_SLACK = 0.1
"""Part of a front's extent by which the reference point lies beyond its ends, as in BoTorch's
``infer_reference_point``: otherwise the ends would add no volume."""

_USELESS = 0.1
"""Part of the candidates, the worst by expected quality, whose quality counts as none at any cost. The cheapest cells
have no path from input to output; at their quality, all volume would lie among cells next to them."""


@dataclass(frozen=True, eq=False)
class Belief:
    """Beliefs about some networks.

    Attributes:
        mean: Expected qualities, higher is better, float64 ``[N]``.
        std: Standard deviations of the qualities, float64 ``[N]``; 0 for what is taken for certain.
        costs: Expected costs, float64 ``[N, C]``.
    """

    mean: Floats
    std: Floats
    costs: Floats

    @property
    def objectives(self) -> Floats:
        """Expected quality and minus the costs, ``[N, 1 + C]``: higher is better in all."""
        return np.column_stack([self.mean, -self.costs])

    def __getitem__(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Belief:
        return Belief(self.mean[rows], self.std[rows], self.costs[rows])

    def __len__(self) -> int:
        return len(self.mean)


def best_for_front(
    candidates: Belief, found: Belief, objectives: Floats, chance: Floats, rng: np.random.Generator
) -> tuple[NDArray[np.intp], Floats]:
    """Choose the candidates to try next, and value all of them.

    With at most one cost, each choice has the largest expected hypervolume improvement once those before it have come
    out as expected. With more, each improves a Chebyshev scalarisation with weights of its own.

    Args:
        candidates: N candidates.
        found: Measured networks that keep all limits, M; their standard deviations do not count.
        objectives: Expected objectives of all that could be found, ``[K, 1 + C]``, from which scale and reference
            point follow.
        chance: Probability that a candidate keeps the limits, ``[N]``.
        rng: Draws the weights.

    Returns:
        Rows of the candidates that were chosen, in their order, at most 16; and the value of each candidate by itself,
        ``[N]``, higher is better.
    """
    if not len(candidates):
        return np.empty(0, dtype=np.intp), np.empty(0)
    if candidates.costs.shape[1] <= 1:
        return _by_hypervolume(candidates, found, objectives, chance)
    return _by_directions(candidates, found, Scale.of(objectives), chance, rng)


def _by_hypervolume(
    candidates: Belief, found: Belief, objectives: Floats, chance: Floats
) -> tuple[NDArray[np.intp], Floats]:
    costs, costs_found = _one_cost(candidates.costs), _one_cost(found.costs)
    reference = _reference(objectives)
    qualities = list(found.mean)
    so_far = list(costs_found)
    chosen: list[int] = []
    alone = np.empty(0)
    while len(chosen) < min(_NUM_TOGETHER, len(candidates)):
        steps = Steps.of(np.array(qualities), np.array(so_far), reference)
        value = chance * expected_hypervolume_improvement(candidates.mean, candidates.std, costs, steps)
        if not chosen:
            alone = value.copy()
        value[chosen] = -np.inf
        best = int(value.argmax())
        if value[best] <= 0:
            break
        chosen.append(best)
        qualities.append(candidates.mean[best])
        so_far.append(costs[best])
    return np.array(chosen, dtype=np.intp), alone


def _one_cost(costs: Floats) -> Floats:
    """Return the only cost ``[N]``; 0 for a search for quality alone, where the volume is the quality."""
    return costs[:, 0] if costs.shape[1] else np.zeros(len(costs))


def _reference(objectives: Floats) -> tuple[float, float]:
    """Return the lowest quality and the highest cost that count, some way beyond the expected front and all costs."""
    front = objectives[non_dominated(objectives)]
    qualities = front[:, 0] if front.shape[1] > 1 else objectives[:, 0]
    qualities = np.maximum(qualities, np.quantile(objectives[:, 0], _USELESS))
    lowest = float(qualities.min() - _SLACK * (np.ptp(qualities) or 1.0))
    if objectives.shape[1] == 1:
        return lowest, 1.0
    costs = -objectives[:, 1]
    return lowest, float(costs.max() + _SLACK * (np.ptp(costs) or 1.0))


def _by_directions(
    candidates: Belief, found: Belief, scale: Scale, chance: Floats, rng: np.random.Generator
) -> tuple[NDArray[np.intp], Floats]:
    scaled, of_found = scale(candidates.objectives), scale(found.objectives)
    std = candidates.std / scale.span[0]
    chosen: list[int] = []
    total = np.zeros(len(candidates))
    for weights in random_weights(scaled.shape[1], min(_NUM_TOGETHER, len(candidates)), rng):
        of_costs = losses(scaled[:, 1:], weights[1:])
        # Before anything was found, every loss below the worst is an improvement.
        lowest = losses(of_found, weights).min() if len(of_found) else losses(scaled, weights).max()
        value = chance * expected_chebyshev_improvement(scaled[:, 0], std, of_costs, weights[0], float(lowest))
        total += value
        value[chosen] = -np.inf
        chosen.append(int(value.argmax()))
    return np.array(chosen, dtype=np.intp), total
