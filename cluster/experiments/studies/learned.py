"""Predictors that studies judge, each learned from tables without what it is judged on: once, side by side on Ray."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from cluster.artifacts.meta_training import kept_predictor
from cluster.work.pool import Job, side_by_side
from mpnas_ray.errors import RunError
from mpnas_ray.meta_learning.mixture import MixtureConfig
from mpnas_ray.tables import TableTask

__all__ = ["learn_predictors"]


def learn_predictors(
    sources: Mapping[Path, Mapping[str, TableTask]], config: MixtureConfig, command: str, report: Callable[[str], None]
) -> None:
    """Meta-learn the predictors that are not there yet.

    Args:
        sources: Checkpoint, without ending, where all nodes reach it -> the tasks to learn it from.
        config: Of all.
        command: What is run, for the cards.
        report: Receives a line if there is something to do.

    Raises:
        RunError: If some fail, or if one that is there was learned otherwise.
        RunInterruptedError: After Ctrl-C; the same call goes on.
    """
    missing = {path: known for path, known in sources.items() if not path.with_name(f"{path.name}.json").exists()}
    if missing:
        report(f"meta-learning {len(missing)} predictors, each without what it is judged on")
        failures = side_by_side(
            _learn, {path.name: Job((known, config, path, command)) for path, known in missing.items()}
        )
        if failures:
            lines = "".join(f"\n  {name}: {error}" for name, error in failures.items())
            raise RunError(f"{len(failures)} meta-trainings failed; the same command goes on:{lines}")
    for path, known in sources.items():
        kept_predictor(known, config, path, command=command)


def _learn(sources: Mapping[str, TableTask], config: MixtureConfig, out: Path, command: str) -> float:
    """In a worker."""
    start = time.monotonic()
    kept_predictor(sources, config, out, command=command)
    return time.monotonic() - start
