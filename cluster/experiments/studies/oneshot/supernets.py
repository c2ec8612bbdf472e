"""The training of one supernet as a unit of work, in the CPU time of its process."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from mpnas_ray.spaces import Architectures
from trainables.oneshot.methods import get_method, settings_of
from trainables.oneshot.scoring import one_shot_scores
from trainables.oneshot.search import Norm, Search
from trainables.oneshot.training import SupernetTraining
from trainables.tasks.core.subset import with_fewer_samples
from trainables.tasks.core.task import get_task
from trainables.training.data import PreparedData

__all__ = ["NORMS", "SupernetPlan", "TrainedSupernet", "as_ranked", "scores_by_norm", "train_supernet"]

NORMS: tuple[Norm, ...] = get_args(Norm)
"""Kinds of batch-norm statistics by which architectures can be scored."""


@dataclass(frozen=True)
class SupernetPlan:
    """One supernet of a study.

    Attributes:
        method: Name of the one-shot method.
        seed: Seed of the supernet.
        space: Name of the space.
        task: Name of the task.
        family: Family of the mixed space; None for all.
        num_train: Most training samples; all if None.
        preset: Sizes of the network.
        changed: Settings in place of those of the method's short protocol.
    """

    method: str
    seed: int
    space: str
    task: str
    family: str | None = None
    num_train: int | None = None
    preset: str = "small"
    changed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that the supernet depends on, the protocol's settings among it."""
        settings = settings_of(get_method(self.method), **self.changed)
        return {**asdict(self), "changed": dict(self.changed), "settings": asdict(settings)}

    def begin(self) -> SupernetTraining:
        """Build the supernet on the CPU, before its first epoch."""
        task = get_task(self.task)
        if self.num_train is not None:
            task = with_fewer_samples(task, self.num_train)
        return SupernetTraining(
            task,
            PreparedData(task, None, torch.device("cpu")),
            space=self.space,
            method=self.method,
            family=self.family,
            preset=self.preset,
            settings=settings_of(get_method(self.method), **self.changed),
            seed=self.seed,
        )


@dataclass(frozen=True, eq=False)
class TrainedSupernet:
    """A supernet after its last epoch.

    Attributes:
        training: The training, which has finished.
        epochs: Results of the epochs.
        cpu_seconds: Seconds of the processor that it took, the choices after each epoch among them.
    """

    training: SupernetTraining
    epochs: list[dict[str, Any]]
    cpu_seconds: float

    @property
    def search(self) -> Search:
        """Parts of the search, with the trained weights."""
        return self.training.search


def train_supernet(plan: SupernetPlan) -> TrainedSupernet:
    """Train a supernet to its end."""
    training = plan.begin()
    epochs, start = [], time.process_time()
    while not training.finished:
        epochs.append(training.run_epoch())
    return TrainedSupernet(training, epochs, time.process_time() - start)


def scores_by_norm(
    search: Search, archs: Architectures, norms: Sequence[Norm] = NORMS
) -> dict[str, list[float | None]]:
    """Score architectures with shared weights by each kind of batch-norm statistics; None where there is no score."""
    found: dict[str, list[float | None]] = {}
    own = search.settings
    for norm in norms:
        search.settings = replace(own, norm=norm)
        scores = one_shot_scores(search, archs)
        found[norm] = [score if np.isfinite(score) else None for score in scores]
    search.settings = own
    return found


def as_ranked(scores: Sequence[float | None]) -> NDArray[np.float64]:
    """Return scores ``[N]`` that rank those which are missing or not finite just below all others."""
    values = np.array([np.nan if score is None else score for score in scores], dtype=np.float64)
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(len(values))
    lowest, spread = values[finite].min(), np.ptp(values[finite])
    return np.where(finite, values, lowest - 0.1 * spread)
