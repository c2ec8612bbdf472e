"""Tune schedulers by name: they stop trainings that are not worth their time.

Each looks at a training about twice before its end; Tune gives it metric and mode. A scheduler is imported when it is
made, so that a list of names waits for neither Ray nor torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ray.tune.schedulers import TrialScheduler

__all__ = ["SCHEDULERS", "SchedulerEntry"]


@dataclass(frozen=True)
class SchedulerEntry:
    """A scheduler that can be made by its name.

    Attributes:
        name: Short name, as ``--scheduler`` takes it.
        make: Epochs of a full training, name of the task's family or of the task, and a seed -> scheduler.
        description: The method, and whose it is.
        pauses: Whether it pauses trials, which trials of several workers cannot do.
    """

    name: str
    make: Callable[[int, str, int], TrialScheduler]
    description: str
    pauses: bool = False

    def __call__(self, epochs: int, family: str, seed: int) -> TrialScheduler:
        """Make a scheduler.

        Args:
            epochs: Epochs of a full training, at least 1.
            family: Family of the task, or its name: `lcranknet` takes a network that has not seen it.
            seed: Seed of the scheduler.
        """
        return self.make(epochs, family, seed)


def _asha(epochs: int, family: str, seed: int) -> TrialScheduler:
    from ray.tune.schedulers import ASHAScheduler

    return ASHAScheduler(max_t=epochs, grace_period=max(1, round(epochs / 9)), reduction_factor=3)


def _hyperband(epochs: int, family: str, seed: int) -> TrialScheduler:
    from ray.tune.schedulers import HyperBandScheduler

    return HyperBandScheduler(max_t=epochs, reduction_factor=3)


def _median(epochs: int, family: str, seed: int) -> TrialScheduler:
    from ray.tune.schedulers import MedianStoppingRule

    return MedianStoppingRule(
        time_attr="training_iteration",  # Tune's default counts seconds
        grace_period=max(1, epochs // 3),
        min_samples_required=3,
    )


def _lcranknet(epochs: int, family: str, seed: int) -> TrialScheduler:
    from mpnas_ray.curves import bundled_network
    from searchers.schedulers.lcranknet import LCRankNetScheduler

    # As it was measured: its first look is after one epoch.
    return LCRankNetScheduler(epochs, network=bundled_network(family), seed=seed)


SCHEDULERS: dict[str, SchedulerEntry] = {
    entry.name: entry
    for entry in (
        SchedulerEntry("asha", _asha, "asynchronous successive halving (Li et al. 2020)"),
        SchedulerEntry("hyperband", _hyperband, "Hyperband (Li et al. 2018)", pauses=True),
        SchedulerEntry("median", _median, "stops below the median of the others (Golovin et al. 2017)"),
        SchedulerEntry("lcranknet", _lcranknet, "a network that knows other trainings (Wistuba and Pedapati 2020)"),
    )
}
"""Name -> scheduler."""
