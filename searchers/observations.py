"""What a searcher knows of its trials, and the labels that a predictor learns from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

__all__ = ["EVALUATED", "Observations", "TrialRecord"]

EVALUATED = "evaluated-"
"""How the ids of points begin that came with a score from elsewhere."""

Status = Literal["pending", "completed", "failed"]


@dataclass
class TrialRecord:
    """One architecture that was proposed, or that came with a score from elsewhere.

    Attributes:
        arch: Architecture string.
        status: ``pending`` until the trial ends; ``failed`` if it raised, gave no value or one that is not finite.
        score: Last value that the trial reported, higher is better; None before the first.
        iteration: Training iteration of that value; None for a score from elsewhere, which counts as a full training.
        predicted: Score predicted when it was proposed, if a predictor did; only its order means something.
        drawn: What was drawn for the open hyperparameters, by name (`searchers.hyperparameters`).
    """

    arch: str
    status: Status = "pending"
    score: float | None = None
    iteration: int | None = None
    predicted: float | None = None
    drawn: dict[str, Any] | None = None


@dataclass
class Observations:
    """All trials by id, in the order in which they were proposed."""

    trials: dict[str, TrialRecord] = field(default_factory=dict)

    def report(self, trial_id: str, score: float, iteration: int) -> None:
        """Note the newest value of a trial."""
        record = self.trials[trial_id]
        record.score, record.iteration = score, iteration

    def finish(self, trial_id: str, *, failed: bool) -> bool:
        """End a trial by the last value it reported.

        Returns:
            Whether the trial was pending and now holds a label.
        """
        record = self.trials[trial_id]
        if record.status != "pending":
            return False
        failed = failed or record.score is None or not math.isfinite(record.score)
        record.status = "failed" if failed else "completed"
        return not failed

    @property
    def num_ended(self) -> int:
        """Trials that ended, well or not; not those that were evaluated elsewhere."""
        return sum(
            record.status != "pending" for trial_id, record in self.trials.items() if not trial_id.startswith(EVALUATED)
        )

    def __len__(self) -> int:
        return len(self.trials)

    @property
    def completed(self) -> list[TrialRecord]:
        """The trials that hold a label."""
        return [record for record in self.trials.values() if record.status == "completed"]

    def labels(self) -> tuple[list[str], NDArray[np.float64]]:
        """Architectures ``[N]`` and their labels ``[N]``, higher is better.

        If all trained for the same number of iterations, the labels are their scores. If a scheduler stopped some,
        values of different iterations do not compare: the labels are then ranks 0 ... N-1, first by iterations
        reached, then by the value there. So a stopped trial ranks below all that went further, and is compared only
        with values at its own iteration.
        """
        completed = self.completed
        archs = [record.arch for record in completed]
        scores = np.array([record.score for record in completed], dtype=np.float64)
        reached = [record.iteration for record in completed]
        furthest = max((iteration for iteration in reached if iteration is not None), default=0)
        iterations = np.array([furthest if iteration is None else iteration for iteration in reached])
        if len(completed) == 0 or (iterations == furthest).all():
            return archs, scores
        order = np.lexsort((scores, iterations))
        labels = np.empty(len(completed))
        labels[order] = np.arange(len(completed))
        return archs, labels

    def rank_correlation(self) -> float | None:
        """Spearman correlation between what was predicted at proposal and what came out; None for under 3 such
        trials.
        """
        pairs = [(r.predicted, r.score) for r in self.completed if r.predicted is not None]
        if len(pairs) < 3:
            return None
        predicted, scored = np.array(pairs, dtype=np.float64).T
        if np.ptp(predicted) == 0 or np.ptp(scored) == 0:
            return None
        return float(spearmanr(predicted, scored).statistic)

    def to_plain(self) -> list[dict[str, Any]]:
        """Plain values for a state file."""
        return [{"id": trial_id, **vars(record)} for trial_id, record in self.trials.items()]

    @classmethod
    def from_plain(cls, trials: list[Mapping[str, Any]]) -> Observations:
        """Inverse of `to_plain`."""
        return cls({entry["id"]: TrialRecord(**{k: v for k, v in entry.items() if k != "id"}) for entry in trials})
