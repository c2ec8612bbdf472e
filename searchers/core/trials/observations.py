"""The record of a search's trials, and the labels that a predictor learns from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import count
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.errors import SearcherStateError
from mpnas_ray.stats import spearman
from searchers.core.json_values import from_plain, named, to_plain
from searchers.core.state import value_of

__all__ = ["EVALUATED", "Observations", "TrialRecord"]

EVALUATED = "evaluated-"
"""Prefix of the ids of points that came with a score from elsewhere."""

Status = Literal["pending", "completed", "failed", "of another metric"]


@dataclass
class TrialRecord:
    """One architecture that was proposed, or that came with a score from elsewhere.

    Attributes:
        arch: Architecture string.
        status: ``pending`` until the trial ends; ``failed`` if it raised, gave no value or one that is not finite; ``of
            another metric`` if it ended before the searcher was given another metric or mode.
        score: Last value that the trial reported, higher is better; None before the first.
        iteration: Training iteration of that value; None for a score from elsewhere, which counts as a full training.
        stopped_early: Whether a score from elsewhere is known to be one of less than a full training.
        predicted: Score predicted when it was proposed, if a predictor did; only its order means something.
        config: The other entries of the trial's config that were drawn or came with the point.
        costs: Name -> last value of each cost that the searcher looks at, as far as the trial reported it.
    """

    arch: str
    status: Status = "pending"
    score: float | None = None
    iteration: int | None = None
    stopped_early: bool = False
    predicted: float | None = None
    config: dict[str, Any] = field(default_factory=dict)
    costs: dict[str, float] = field(default_factory=dict)

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for a state file; objects in the config are only named."""
        return {**vars(self), "config": to_plain(self.config, named)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> TrialRecord:
        """Return what `to_plain` was called on.

        Raises:
            SearcherStateError: If an entry is missing or of another type.
        """
        known = {entry.name for entry in fields(cls)}
        given = {name: value for name, value in plain.items() if name in known}
        record = cls(**{"arch": "", **given, "config": from_plain(given.get("config", {}))})
        for name, kind in (("arch", str), ("status", str), ("stopped_early", bool), ("config", dict), ("costs", dict)):
            value_of(vars(record), name, kind)
        for name, number in (("score", float), ("iteration", int), ("predicted", float)):
            if getattr(record, name) is not None:
                value_of(vars(record), name, number)
        for name in record.costs:
            value_of(record.costs, name, float, least=0)
        if record.status not in get_args(Status):
            raise SearcherStateError(f"a trial has the status {record.status!r}")
        if record.status == "completed" and (record.score is None or not math.isfinite(record.score)):
            raise SearcherStateError(f"a completed trial has the score {record.score!r}")
        return record


@dataclass
class Observations:
    """All trials by id, in the order in which they were proposed."""

    trials: dict[str, TrialRecord] = field(default_factory=dict)

    def begin(self, trial_id: str, record: TrialRecord) -> None:
        """Add a trial; one of an earlier experiment that had this id keeps its result under another id."""
        if trial_id in self.trials:
            self.trials[self.new_id()] = self.trials.pop(trial_id)
        self.trials[trial_id] = record

    def is_pending(self, trial_id: str) -> bool:
        """Say whether a trial of this id is known that has not ended."""
        return trial_id in self.trials and self.trials[trial_id].status == "pending"

    def report(self, trial_id: str, score: float, iteration: int | None) -> None:
        """Note the newest value of a trial; without an iteration it counts as one of the iteration before, or of 1."""
        record = self.trials[trial_id]
        record.score, record.iteration = score, record.iteration or 1 if iteration is None else iteration

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

    def new_id(self) -> str:
        """Return an id for a point that came with a score from elsewhere, which no trial has."""
        return next(name for n in count(len(self.trials)) if (name := f"{EVALUATED}{n}") not in self.trials)

    def set_labels_aside(self) -> int:
        """Take all values for those of another metric or mode, so that they are not mixed with new ones.

        Returns:
            The number of labels that there were.
        """
        aside = self.completed
        for record in self.trials.values():
            if record.status == "completed":
                record.status = "of another metric"
            elif record.status == "pending":
                record.score, record.iteration = None, None
            record.predicted = None
        return len(aside)

    @property
    def num_ended(self) -> int:
        """Number of trials that ended, well or not; those that were evaluated elsewhere do not count."""
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
        """Return architectures ``[N]`` and their labels ``[N]``, higher is better.

        If all trained for the same number of iterations, the labels are their scores. If some were stopped early,
        values of different iterations do not compare: the labels are then ranks 0 ... N-1, first by iterations
        reached, then by the value there. So a stopped trial ranks below all that went further, and is compared only
        with values at its own iteration.
        """
        completed = self.completed
        archs = [record.arch for record in completed]
        scores = np.array([record.score for record in completed], dtype=np.float64)
        reached = [record.iteration for record in completed if not record.stopped_early]
        furthest = max((iteration for iteration in reached if iteration is not None), default=0)
        full = max([furthest, *(1 + (record.iteration or 0) for record in completed if record.stopped_early)])
        iterations = np.array(
            [
                full if not record.stopped_early and record.iteration in (None, furthest) else record.iteration or 0
                for record in completed
            ],
            dtype=np.float64,
        )
        if len(completed) == 0 or (iterations == full).all():
            return archs, scores
        order = np.lexsort((scores, iterations))
        labels = np.empty(len(completed))
        labels[order] = np.arange(len(completed))
        return archs, labels

    @property
    def num_learned(self) -> int:
        """Number of `labels_with_failures`."""
        return sum(record.status in ("completed", "failed") for record in self.trials.values())

    def labels_with_failures(self) -> tuple[list[str], NDArray[np.float64]]:
        """Return `labels` and after them the architectures that failed, as just below the worst label.

        What fails for its architecture, such as one that needs too much memory, would fail again, and its neighbours
        perhaps too.
        """
        archs, labels = self.labels()
        failed = [record.arch for record in self.trials.values() if record.status == "failed"]
        if not failed:
            return archs, labels
        below = labels.min() - (1e-3 * np.ptp(labels) or 1.0) if len(labels) else 0.0
        return archs + failed, np.concatenate([labels, np.full(len(failed), below)])

    def costs_with_failures(self, names: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the costs of the architectures of `labels_with_failures`, and which of these failed.

        Args:
            names: C names of costs.

        Returns:
            Costs ``[N, C]``, NaN where a trial reported none or failed, and bool ``[N]``.
        """
        failed = sum(record.status == "failed" for record in self.trials.values())
        completed = [[record.costs.get(name, math.nan) for name in names] for record in self.completed]
        costs = np.full((len(completed) + failed, len(names)), math.nan)
        costs[: len(completed)] = np.reshape(completed, (len(completed), len(names)))
        return costs, np.arange(len(costs)) >= len(completed)

    def rank_correlation(self) -> float | None:
        """Return the Spearman correlation between what was predicted at proposal and what came out.

        None for under 3 such trials.
        """
        pairs = [(r.predicted, r.score) for r in self.completed if r.predicted is not None]
        if len(pairs) < 3:
            return None
        predicted, scored = np.array(pairs, dtype=np.float64).T
        if np.ptp(predicted) == 0 or np.ptp(scored) == 0:
            return None
        return float(spearman(predicted, scored))

    def to_plain(self) -> list[dict[str, Any]]:
        """Return plain values for a state file."""
        return [{"id": trial_id, **record.to_plain()} for trial_id, record in self.trials.items()]

    @classmethod
    def from_plain(cls, trials: list[Mapping[str, Any]]) -> Observations:
        """Return what `to_plain` was called on.

        Raises:
            SearcherStateError: If an entry is missing or of another type.
        """
        return cls({value_of(entry, "id", str): TrialRecord.from_plain(entry) for entry in trials})
