"""Expected improvement of a front by a network whose costs are known and whose quality is normally distributed.

For one cost the improvement of the hypervolume has a closed form. The front is a step function: the best quality that
was found at each cost. A network of cost c and quality q adds, over all costs from c to the reference, the amount by
which q exceeds the step there. So the expectation is a sum over the steps of their width times the expected improvement
(Jones et al. 1998, Eq. 15) over their height. (The general form: Emmerich et al. 2011.)

For more costs, each proposal improves a Chebyshev scalarisation with random weights (ParEGO: Knowles 2006).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mpnas_ray.errors import SettingError
from searchers.model_based.ranking.acquisition import expected_improvement

__all__ = ["Steps", "expected_chebyshev_improvement", "expected_hypervolume_improvement"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Steps:
    """The best quality found at each cost, as a step function up to the reference.

    Attributes:
        begins: Cost at which each step begins, ascending, float64 ``[K]``; the first is minus infinity.
        ends: Cost at which each step ends, float64 ``[K]``; the last is that of the reference.
        qualities: Quality of each step, higher is better, float64 ``[K]``; that of the first is the reference's.
    """

    begins: Floats
    ends: Floats
    qualities: Floats

    @classmethod
    def of(cls, qualities: ArrayLike, costs: ArrayLike, reference: tuple[float, float]) -> Steps:
        """Make the steps of N points; any of them may be dominated, or worse than the reference.

        Args:
            qualities: Qualities ``[N]``, higher is better.
            costs: Costs ``[N]``, lower is better.
            reference: The lowest quality and the highest cost that count.

        Raises:
            SettingError: If numbers differ, or one is not finite.
        """
        quality, cost = np.asarray(qualities, dtype=np.float64), np.asarray(costs, dtype=np.float64)
        if quality.shape != cost.shape or quality.ndim != 1:
            raise SettingError(f"Each point has one quality and one cost, not {quality.shape} and {cost.shape}.")
        if not (np.isfinite(quality).all() and np.isfinite(cost).all() and np.isfinite(reference).all()):
            raise SettingError("A front has finite qualities and costs: leave out points without one.")
        lowest, highest = reference
        counts = (quality > lowest) & (cost < highest)
        quality, cost = quality[counts], cost[counts]
        order = np.lexsort((-quality, cost))
        quality, cost = quality[order], cost[order]
        best_before = np.concatenate([[lowest], np.maximum.accumulate(quality)[:-1]]) if len(quality) else quality
        rises = quality > best_before
        begins = np.concatenate([[-np.inf], cost[rises]])
        return cls(begins, np.append(begins[1:], highest), np.concatenate([[lowest], quality[rises]]))


def expected_hypervolume_improvement(mean: Floats, std: Floats, costs: Floats, steps: Steps) -> Floats:
    """Return the mean volume that each of N networks would add to what the steps dominate, ``[N]``.

    A change of unit or zero point of quality or cost changes all values by one factor.

    Args:
        mean: Expected qualities ``[N]``, higher is better.
        std: Standard deviations of the qualities ``[N]``, at least 0.
        costs: Costs ``[N]``, taken for certain.
        steps: The front so far.
    """
    total = np.zeros(len(mean))
    for begin, end, quality in zip(steps.begins, steps.ends, steps.qualities, strict=True):
        width = np.maximum(end - np.maximum(costs, begin), 0.0)
        total += width * expected_improvement(mean, std, quality)
    return total


def expected_chebyshev_improvement(
    mean: Floats, std: Floats, loss_of_costs: Floats, weight: float, lowest_loss: float
) -> Floats:
    """Return the mean amount by which each of N networks undercuts the lowest Chebyshev loss so far, ``[N]``.

    The loss of a network is the largest of its weighted distances from the best value in each objective,
    ``max(weight (1 - quality), loss_of_costs)``, where 1 is the best quality. Both differences of expected improvements
    have a closed form, so that this is exact.

    Args:
        mean: Expected qualities ``[N]``, scaled so that 1 is the best.
        std: Standard deviations of the qualities ``[N]``, in the same unit.
        loss_of_costs: Largest weighted distance of the costs of each network from the lowest ones, ``[N]``.
        weight: Weight of the quality, from 0 to 1.
        lowest_loss: Lowest loss of the networks so far.
    """
    score, spread = weight * (mean - 1.0), weight * std
    improvement = expected_improvement(score, spread, -lowest_loss)
    wasted = expected_improvement(score, spread, -loss_of_costs)
    return np.where(loss_of_costs < lowest_loss, np.maximum(improvement - wasted, 0.0), 0.0)
