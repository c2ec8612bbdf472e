"""The searches of table 7: live ones, each a run of `mpnas search` in a folder of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cluster.run.report import SearchReport
from cluster.run.start import run_search
from cluster.storage.run_folder import RunFolder
from cluster.storage.trial_files import read_trials
from trainables.tasks.core.task import Task

__all__ = ["NUM_SAMPLES", "Search", "search_epochs", "search_live"]

NUM_SAMPLES = 20
"""Steps of the paper's search; the predictor is refitted every four."""

_SHARE = 1 / 3


def search_epochs(task: Task) -> int:
    """Epochs of a candidate's training: a third of the recipe (ours; the paper does not say), at least 2."""
    return max(2, round(_SHARE * task.recipe.epochs))


@dataclass(frozen=True)
class Search:
    """The outcome of a live search.

    Attributes:
        arch: The architecture that it found: best on validation.
        curve: Best validation score so far after each trial, in the order in which they ended.
        training_seconds: Seconds of training all candidates.
        wall_seconds: From start to report.
    """

    arch: str
    curve: tuple[float, ...]
    training_seconds: float
    wall_seconds: float


def search_live(
    task: Task,
    reference: str,
    predictor: Path | None,
    preset: str,
    seed: int,
    name: str,
    work: Path,
    data_dir: Path | None,
    gpus_per_trial: float,
) -> Search:
    """Search, or read what was found; a search that was stopped goes on.

    Args:
        task: The task.
        reference: Its name, as all nodes know it.
        predictor: Checkpoint; None for a predictor from scratch.
        preset: Sizes of the networks.
        seed: Seed of searcher and trainings.
        name: Name of the run's folder.
        work: Folder of the run's folder.
        data_dir: Folder of the user's data files.
        gpus_per_trial: GPUs of each candidate.
    """
    report: SearchReport = run_search(
        task=reference,
        space="mixed",
        num_samples=NUM_SAMPLES,
        epochs=search_epochs(task),
        preset=preset,
        searcher="scratch" if predictor is None else "mpnas",
        predictor="default" if predictor is None else predictor,
        storage=work,
        name=name,
        seed=seed,
        data_dir=data_dir,
        gpus_per_trial=gpus_per_trial,
        progress=False,
    )
    better = max if task.metric.mode == "max" else min
    best: list[float] = []
    for trial in read_trials(RunFolder(str(work), name)):
        value = (trial.result or {}).get(task.metric_key)
        if not trial.failed and value is not None and value == value:
            best.append(better([value, *best[-1:]]))
    return Search(report.best_arch, tuple(best), report.training_seconds, report.wall_seconds)
