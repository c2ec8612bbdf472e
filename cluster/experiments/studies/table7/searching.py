"""The searches of table 7: live ones, each a run of `mpnas search` in a folder of its own."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.run.config import SearchConfig
from cluster.run.start import run_search
from cluster.storage.run_folder import RunFolder
from cluster.storage.trial_files import read_trials
from trainables.tasks.core.task import Task

__all__ = ["NUM_SAMPLES", "Search", "search_epochs", "search_live"]

NUM_SAMPLES = 20
"""Steps of the paper's search; the predictor is refitted every four."""

_SHARE = 1 / 3


def search_epochs(task: Task) -> int:
    """Return the epochs of a candidate: a third of the recipe (ours; the paper does not say), at least 2."""
    return max(2, round(_SHARE * task.recipe.epochs))


@dataclass(frozen=True)
class Search:
    """The outcome of a live search.

    Attributes:
        arch: The architecture that it found: best on validation.
        curve: Best validation score so far after each trial, in the order in which they ended.
        training_seconds: Seconds of training all candidates.
        wall_seconds: Seconds from start to report.
    """

    arch: str
    curve: tuple[float, ...]
    training_seconds: float
    wall_seconds: float


def search_live(task: Task, config: SearchConfig) -> Search:
    """Search, or read what was found; a search that was stopped goes on.

    Args:
        task: The task of the search.
        config: The search, which has the name of its run.
    """
    report = run_search(config, progress=False)
    better = max if task.metric.mode == "max" else min
    best: list[float] = []
    for trial in read_trials(RunFolder(str(config.storage), str(config.name))):
        value = (trial.result or {}).get(task.metric_key)
        if not trial.failed and value is not None and value == value:
            best.append(better([value, *best[-1:]]))
    return Search(report.best_arch, tuple(best), report.training_seconds, report.wall_seconds)
