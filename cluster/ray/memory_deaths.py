"""Let Tune try a trial again whose worker was killed because its node ran out of memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray.exceptions import OutOfMemoryError, RayActorError

from mpnas_ray.ray_versions import relying_on_ray

with relying_on_ray():
    from ray.air.execution._internal import RayActorManager

__all__ = ["memory_deaths_survived"]


@contextmanager
def memory_deaths_survived() -> Iterator[None]:
    """Make a worker that Ray's memory monitor kills count as a worker that died, while this is open.

    Left alone, Tune ends the whole experiment with "Caught unexpected exception" there: its manager of actors handles
    errors of actors and of tasks, and `OutOfMemoryError` is neither. The case ``memory`` of benchmarks/failures.py has
    found it, and tests/cluster/ray/test_contracts.py says whether Ray still needs it.
    """
    manager: Any = RayActorManager
    with relying_on_ray():
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
