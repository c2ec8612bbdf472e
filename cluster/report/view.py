"""The content of a report: a run as plain values, whatever files they came from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from mpnas_ray.explaining import Explanation

__all__ = ["Best", "Epoch", "Proposal", "RankingMade", "RunView", "TrialView", "as_score", "best_so_far"]

TrialState = Literal["complete", "stopped", "failed", "nan", "unfinished"]
RunState = Literal["running", "stopped", "complete"]


@dataclass(frozen=True)
class Epoch:
    """One epoch of a trial.

    Attributes:
        number: Number of the epoch, from 1.
        value: The metric on the validation part after it; NaN where it was not finite.
        end: When it was reported, in seconds since 1970.
        seconds: Seconds that it took; 0 where an earlier training was only reported again.
    """

    number: int
    value: float
    end: float
    seconds: float


@dataclass(frozen=True)
class Proposal:
    """A prediction for an architecture, made when it was proposed, before its result.

    Attributes:
        predicted: Predicted score; only its order means something. None if no predictor made it.
        rank: Rank among the candidates, from 1.
        age: Number of results that the ranking did not know.
    """

    predicted: float | None = None
    rank: int | None = None
    age: int | None = None


@dataclass(frozen=True)
class TrialView:
    """One trial.

    Attributes:
        number: Number of the trial in the order of the proposals, from 1.
        trial_id: Name of its folder.
        arch: Architecture string.
        state: ``complete`` after its last epoch; ``stopped`` if it was ended before by a scheduler or a limit;
            ``failed`` if it raised; ``nan`` if its metric is not finite; else ``unfinished``.
        epochs: Epochs that it reported, in their order.
        parameters: Trainable parameters of its network, if it reported them.
        flops: Multiply-adds of its network for one input, if they can be computed.
        costs: Name -> cost, of those that it reported or that can be computed.
        hyperparameters: Entries of its config beside the architecture and the constants of the run.
        proposal: Prediction of its score.
        error: The error of a failed trial in a line.
    """

    number: int
    trial_id: str
    arch: str
    state: TrialState
    epochs: tuple[Epoch, ...] = ()
    parameters: int | None = None
    flops: int | None = None
    costs: Mapping[str, float] = field(default_factory=dict)
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    proposal: Proposal = Proposal()
    error: str = ""

    @property
    def value(self) -> float:
        """The last value of the metric; NaN if there is none."""
        return self.epochs[-1].value if self.epochs else math.nan

    @property
    def counts(self) -> bool:
        """True if the trial has ended with a value that may be the best."""
        return self.state in ("complete", "stopped") and math.isfinite(self.value)

    @property
    def end(self) -> float:
        """Time of its last report, in seconds since 1970; NaN if it never reported."""
        return self.epochs[-1].end if self.epochs else math.nan


@dataclass(frozen=True)
class RankingMade:
    """A ranking of the candidates by a predictor.

    Attributes:
        time: When it was taken over, in seconds since 1970.
        points: Number of results that it knows; 0 for a ranking before the first.
        seconds: Seconds that it took to make.
        spearman: Rank correlation of all predictions so far with the results; None where there are too few.
        verdict: Whether what was learned on other tasks ``helps``, ``hurts`` or is ``undecided``; None if not checked.
        log_odds: Natural logarithm of the evidence for that knowledge; None if not recorded.
        transfer: The verdict in a sentence.
    """

    time: float
    points: int
    seconds: float
    spearman: float | None = None
    verdict: str | None = None
    log_odds: float | None = None
    transfer: str = ""


@dataclass(frozen=True)
class Best:
    """The best architecture so far, or that of a complete run.

    Attributes:
        trial: Trial of the architecture; None if its files are gone.
        arch: Architecture string.
        validation: Validation score, by which it was chosen.
        test: Test score; None before the end of the run.
        parameters: Trainable parameters; None if unknown.
        flops: Multiply-adds for one input; None if unknown.
        network: Folder or URI of the trained network; None if there is none.
    """

    trial: TrialView | None
    arch: str
    validation: float
    test: float | None = None
    parameters: int | None = None
    flops: int | None = None
    network: str | None = None


@dataclass(frozen=True)
class RunView:
    """All that the report of a run shows.

    Attributes:
        name: Name of the run.
        place: Folder or URI of the run.
        state: ``running`` while a driver works on it, ``complete`` once it has its report, else ``stopped``.
        facts: Name -> value of how the run was begun, e.g. task and searcher, in the order to be shown.
        metric: Name of the metric, without ``validation_``.
        mode: ``min`` or ``max``; None where no file tells.
        num_samples: Number of trials that the run will have; None if unknown.
        num_epochs: Epochs of a whole training; None if unknown.
        slots: Number of slots for trials in the newest session; None if unknown.
        trials: Trials, in the order in which they were proposed.
        rankings: Rankings, in the order of time.
        sessions: (begin, end) of each session in seconds since 1970, in the order of time.
        best: The best architecture; None if there is none yet.
        explanation: Explanation of the prediction for it; None before the end of the run, or if it has too few results.
        problems: Sentences that say what could not be read.
        costs: Names of the costs that the search minimises.
        limits: Name -> highest cost that a network may have.
    """

    name: str
    place: str
    state: RunState = "stopped"
    facts: Mapping[str, str] = field(default_factory=dict)
    metric: str = "metric"
    mode: str | None = None
    num_samples: int | None = None
    num_epochs: int | None = None
    slots: int | None = None
    trials: tuple[TrialView, ...] = ()
    rankings: tuple[RankingMade, ...] = ()
    sessions: tuple[tuple[float, float], ...] = ()
    best: Best | None = None
    explanation: Explanation | None = None
    problems: tuple[str, ...] = ()
    costs: tuple[str, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)

    @property
    def ranked(self) -> list[TrialView]:
        """Trials that ended with a value, the best first, whole trainings before those that were stopped; none without
        a mode.
        """
        ended = [trial for trial in self.trials if trial.counts and self.mode is not None]
        return sorted(ended, key=lambda trial: (trial.state != "complete", -as_score(trial.value, self.mode)))

    @property
    def best_number(self) -> int | None:
        """Number of the best trial; None if there is none, or its files are gone."""
        return None if self.best is None or self.best.trial is None else self.best.trial.number

    def clock(self, moment: float) -> float:
        """Seconds of search before a moment: time between the sessions does not count."""
        if not self.sessions:
            return 0.0
        return sum(min(max(moment - begin, 0.0), end - begin) for begin, end in self.sessions)


def as_score(value: float, mode: str | None) -> float:
    """Turn a metric's value into a score, which is higher where the value is better."""
    return -value if mode == "min" else value


def best_so_far(values: Sequence[float], mode: str | None) -> list[float]:
    """Return the best finite value up to each place; NaN before the first."""
    found, best = [], math.nan
    for value in values:
        if math.isfinite(value) and not as_score(value, mode) <= as_score(best, mode):
            best = value
        found.append(best)
    return found
