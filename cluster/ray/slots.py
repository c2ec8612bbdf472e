"""Run as many trials at a time as the cluster has slots for, while nodes come and go."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import ray
from ray.tune import Callback

from cluster.ray.connection import most_concurrent
from cluster.ray.resources import Resources
from mpnas_ray.errors import RunError
from searchers import ArchitectureSearcher

__all__ = ["Elastic", "Slots", "slots_of_this_session"]

_SECONDS_BETWEEN_LOOKS = 5.0

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Slots:
    """The resources and limits that decide how many trials run at a time.

    Attributes:
        worker: Resources of each worker of a trial.
        num_workers: Workers of each trial.
        most: Trials at a time that the user allows; None for any number.
        autoscaling: Whether nodes come on demand. Then one trial more than fit is let through, since only a trial that
            waits makes the cluster start a node.
    """

    worker: Resources
    num_workers: int = 1
    most: int | None = None
    autoscaling: bool = False

    def count(self) -> int | None:
        """Count the trials that fit on the nodes as they are now; None if none fits, for example if the only node is
        gone.
        """
        try:
            fitting = most_concurrent(self.worker, self.num_workers) + self.autoscaling
        except (RunError, ray.exceptions.RayError):
            return None
        return min(fitting, self.most or fitting)


_slots: ContextVar[Slots] = ContextVar("slots")


@contextmanager
def slots_of_this_session(slots: Slots) -> Iterator[None]:
    """Make `Elastic` follow these slots while this is open, in place of those of an earlier session of the run."""
    token = _slots.set(slots)
    try:
        yield
    finally:
        _slots.reset(token)


class Elastic(Callback):
    """Tell the searcher how many trials may be under way, which Tune tells it only once.

    Tune pickles this callback into the run's folder, and the user may allow another number in the next session. So it
    holds no number of its own, see `slots_of_this_session`.
    """

    _number: int | None = None
    _next_look = 0.0

    def __init__(self, searcher: ArchitectureSearcher) -> None:
        """Follow the run of a searcher; Tune pickles both together."""
        self._searcher = searcher

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Look at the nodes now and then; it takes about a millisecond."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _SECONDS_BETWEEN_LOOKS
        number = _slots.get().count()
        if number is None:
            return  # trials under way wait for another node
        if self._number is not None and number != self._number:
            _logger.info("The cluster has %d slots for trials, after %d.", number, self._number)
        self._number = number
        self._searcher.set_max_concurrency(number)

    def __getstate__(self) -> dict[str, Any]:
        """Let a restored callback look at the nodes at once."""
        return {"_searcher": self._searcher}
