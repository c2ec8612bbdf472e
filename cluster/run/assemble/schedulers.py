"""Trial schedulers by the names that ``--scheduler`` takes: they stop trainings that look bad.

Each looks at a training about twice before its end; Tune gives it metric and mode.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ray.tune.schedulers import TrialScheduler

    from trainables import Task

__all__ = ["SCHEDULERS"]


def _asha(epochs: int, task: Task, seed: int) -> TrialScheduler:
    from ray.tune.schedulers import ASHAScheduler

    return ASHAScheduler(max_t=epochs, grace_period=max(1, round(epochs / 9)), reduction_factor=3)


def _hyperband(epochs: int, task: Task, seed: int) -> TrialScheduler:
    from ray.tune.schedulers import HyperBandScheduler

    return HyperBandScheduler(max_t=epochs, reduction_factor=3)


def _median(epochs: int, task: Task, seed: int) -> TrialScheduler:
    from ray.tune.schedulers import MedianStoppingRule

    return MedianStoppingRule(
        time_attr="training_iteration",  # Tune's default counts seconds
        grace_period=max(1, epochs // 3),
        min_samples_required=3,
    )


def _lcranknet(epochs: int, task: Task, seed: int) -> TrialScheduler:
    """As it was measured: its first look is after one epoch."""
    from mpnas_ray.curves import bundled_network
    from searchers.schedulers.lcranknet import LCRankNetScheduler

    return LCRankNetScheduler(epochs, network=bundled_network(task.family or task.name), seed=seed)


SCHEDULERS: dict[str, Callable[[int, Task, int], TrialScheduler]] = {
    "asha": _asha,
    "hyperband": _hyperband,
    "median": _median,
    "lcranknet": _lcranknet,
}
"""Name -> scheduler for the epochs of a training, its task and a seed. Each imports what it needs when it is made."""
