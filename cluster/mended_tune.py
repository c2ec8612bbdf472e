"""What Ray Tune 2.60 does otherwise than a long run needs, done otherwise while the run is under way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from ray.air.execution._internal import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune.experiment import trial as tune_trial

__all__ = ["mended_tune"]


@contextmanager
def mended_tune() -> Iterator[None]:
    """While this is open, workers that ran out of memory are tried again, and trainables are looked up once."""
    with _memory_deaths_survived(), _trainables_checked_once():
        yield


@contextmanager
def _memory_deaths_survived() -> Iterator[None]:
    """Tune tries a trial again whose worker Ray's memory monitor has killed.

    Left alone, Ray Tune 2.60 ends the whole experiment with "Caught unexpected exception" there: its manager of actors
    knows errors of actors and of tasks, and `OutOfMemoryError` is neither (the case ``memory`` of
    benchmarks/failures.py is how it was found).
    """
    manager: Any = RayActorManager
    original = manager._actor_task_failed

    def failed(self: Any, tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, OutOfMemoryError):
            exception = RayActorError(error_msg=str(exception))
        original(self, tracked_actor_task, exception)

    manager._actor_task_failed = failed
    try:
        yield
    finally:
        manager._actor_task_failed = original


@contextmanager
def _trainables_checked_once() -> Iterator[None]:
    """Tune asks Ray's control service once, rather than for each trial, whether the trainable is registered.

    The answer is the whole trainable, and restored trials ask twice, all before the first goes on: 12 of the 24 s that
    a run of 2,000 trials took for it (sampled stacks of the ``cost`` cases of benchmarks/scale.py).
    """
    module: Any = tune_trial
    original = module.validate_trainable
    module.validate_trainable = cache(original)  # errors are not kept
    try:
        yield
    finally:
        module.validate_trainable = original
