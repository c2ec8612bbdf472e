"""Workers that Ray kills because a node runs out of memory, made to count as workers that died."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray.air.execution._internal import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError

__all__ = ["memory_deaths_survived"]


@contextmanager
def memory_deaths_survived() -> Iterator[None]:
    """While this is open, Tune tries a trial again whose worker Ray's memory monitor has killed.

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
