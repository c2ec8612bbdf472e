"""Early stopping on trainings that have happened: measured curves, told epoch by epoch to a real scheduler of Tune.

The scheduler is the very object that a `ray.tune.Tuner` would be given. Around it is what it sees of Tune: trials with
a status, and a controller that lists them and can stop one. Trials start in a given order, as many at once as there are
slots, and report an epoch each time their training would have ended one; a paused one gives up its slot.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler

from mpnas_ray.checks import require_count
from mpnas_ray.tables import LearningCurves

__all__ = ["StoppedReplay", "replay_curves"]

_METRIC = "validation"

_NUM_PENDING = 16
"""Most trials at a time that Tune allows on a small cluster if the searcher sets no limit."""


@dataclass(frozen=True)
class StoppedReplay:
    """The outcome of N trainings under a scheduler.

    Attributes:
        rows: Rows of the curves, in the order in which they were started, int64 ``[N]``.
        epochs: Epochs that each was given, int64 ``[N]``; 0 if it was dropped before its first.
        last: Score (higher is better) after the last of them, float64 ``[N]``; NaN for none.
        final: Score that the training comes to after all epochs, float64 ``[N]``.
        num_epochs: Epochs of a full training.
    """

    rows: NDArray[np.int64]
    epochs: NDArray[np.int64]
    last: NDArray[np.float64]
    final: NDArray[np.float64]
    num_epochs: int

    @property
    def spent(self) -> float:
        """Epochs trained, as a fraction of those of N full trainings."""
        return float(self.epochs.sum() / (len(self.rows) * self.num_epochs))

    @property
    def regret(self) -> float:
        """Difference between the best of the N and the chosen one, both trained in full, in units of the metric.

        The chosen one is the one that a user of Tune takes: the best last validation value among the trials that went
        furthest.
        """
        furthest = np.where(self.epochs == self.epochs.max(), self.last, np.nan)
        return float(np.nanmax(self.final) - self.final[np.nanargmax(furthest)])


@dataclass(eq=False)
class _Trial:
    """A trial, as far as schedulers read a `ray.tune.experiment.Trial`."""

    trial_id: str
    row: int
    config: dict[str, Any]
    status: str = Trial.PENDING
    is_saving: bool = False
    epochs: int = 0
    last_result: dict[str, Any] = field(default_factory=dict)


class _Controller:
    """A controller, as far as schedulers ask Tune's."""

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler
        self.trials: list[_Trial] = []

    def get_trials(self) -> list[_Trial]:
        return self.trials

    def get_live_trials(self) -> set[_Trial]:
        return {trial for trial in self.trials if trial.status != Trial.TERMINATED}

    def stop_trial(self, trial: _Trial) -> None:
        """Stop a trial that does not run now."""
        if trial.status != Trial.TERMINATED:
            self._scheduler.on_trial_remove(self, trial)
            trial.status = Trial.TERMINATED


def replay_curves(
    scheduler: Any, curves: LearningCurves, rows: Sequence[int] | NDArray[np.int64], num_concurrent: int = 1
) -> StoppedReplay:
    """Start trainings in the order of ``rows``, and let a scheduler pause and stop them.

    A training takes the seconds that it took, the same for each of its epochs. After its last epoch it is complete,
    whatever the scheduler answers.

    Args:
        scheduler: Fresh; metric and mode are set here.
        curves: Curves of one task.
        rows: Rows of the trainings, N.
        num_concurrent: Trainings that run at once.

    Raises:
        SettingError: If that is not a whole number of at least 1.
    """
    require_count("num_concurrent", num_concurrent)
    scheduler.set_search_properties(_METRIC, curves.mode)
    controller = _Controller(scheduler)
    length = curves.scores.shape[1]
    texts = [str(arch) for arch in curves.archs[np.asarray(rows)]]
    every = [
        _Trial(f"{number:05d}", int(row), {"arch": text})
        for number, (row, text) in enumerate(zip(rows, texts, strict=True))
    ]
    running: list[tuple[float, str, _Trial]] = []  # when each ends its next epoch
    now = 0.0
    while True:
        while len(running) < num_concurrent:
            _add_trials(controller, scheduler, every)
            trial = scheduler.choose_trial_to_run(controller)
            if trial is None:
                break
            trial.status = Trial.RUNNING
            heapq.heappush(running, (now + curves.seconds[trial.row] / length, trial.trial_id, trial))
        if not running:
            break
        now, _, trial = heapq.heappop(running)
        _report(controller, scheduler, curves, trial)
        if trial.status == Trial.RUNNING:
            heapq.heappush(running, (now + curves.seconds[trial.row] / length, trial.trial_id, trial))
    sign = 1.0 if curves.mode == "max" else -1.0
    epochs = np.array([trial.epochs for trial in every])
    order = np.array([trial.row for trial in every])
    last = np.where(epochs > 0, sign * curves.scores[order, epochs - 1], np.nan)
    return StoppedReplay(order, epochs, last, sign * curves.scores[order, -1], length)


def _add_trials(controller: _Controller, scheduler: Any, every: Sequence[_Trial]) -> None:
    """Keep some trials waiting, as Tune does: HyperBand fills its brackets with them."""
    pending = sum(trial.status == Trial.PENDING for trial in controller.trials)
    added = len(controller.trials)
    for trial in every[added : added + max(0, _NUM_PENDING - pending)]:
        controller.trials.append(trial)
        scheduler.on_trial_add(controller, trial)


def _report(controller: _Controller, scheduler: Any, curves: LearningCurves, trial: _Trial) -> None:
    """Train one epoch more, as Tune's controller handles a result."""
    length = curves.scores.shape[1]
    epoch = trial.epochs = trial.epochs + 1
    trial.last_result = {
        _METRIC: float(curves.scores[trial.row, epoch - 1]),
        "train_loss": float(curves.train_losses[trial.row, epoch - 1]),
        "training_iteration": epoch,
        "config": trial.config,
    }
    if epoch == length or not np.isfinite(trial.last_result["train_loss"]):  # done by itself, not asked about
        scheduler.on_trial_complete(controller, trial, trial.last_result)
        trial.status = Trial.TERMINATED
        return
    decision = scheduler.on_trial_result(controller, trial, trial.last_result)
    if decision == TrialScheduler.STOP:
        scheduler.on_trial_complete(controller, trial, trial.last_result)
        trial.status = Trial.TERMINATED
    elif decision == TrialScheduler.PAUSE:
        trial.status = Trial.PAUSED
