"""The trainable of a run, with what it takes: one worker a trial, or several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ray import tune

from cluster.run.trial_sizes import TrialSizes
from trainables import CellTrainable, Task
from trainables.tune.distributed import DRIVER_RESOURCES, DistributedCellTrainable
from trainables.tune.trial import EarlierTraining

__all__ = ["make_trainable"]


def make_trainable(
    task: Task,
    earlier: Mapping[str, EarlierTraining],
    sizes: TrialSizes,
    num_workers: int,
    checkpoint_every: int,
) -> Any:
    """What Tune is to run.

    Args:
        task: Carried to the workers.
        earlier: Trainings to go on from, by architecture string or name of a baseline.
        sizes: What each worker of a trial takes.
        num_workers: Of each trial.
        checkpoint_every: Epochs between two checkpoints of a trial of several workers; for others Tune sees to it.
    """
    if num_workers == 1:
        return tune.with_resources(tune.with_parameters(CellTrainable, task=task, earlier=earlier), sizes)
    several = tune.with_parameters(
        DistributedCellTrainable,
        task=task,
        earlier=earlier,
        num_workers=num_workers,
        worker_resources={name: amount for name, amount in sizes.resources[0].items() if amount > 0},
        checkpoint_every=checkpoint_every,
    )
    return tune.with_resources(several, DRIVER_RESOURCES)
