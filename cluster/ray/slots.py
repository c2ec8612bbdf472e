"""As many trials at a time as the cluster has places for, while nodes come and go."""

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

__all__ = ["Elastic", "Places", "places_of_this_session"]

_SECONDS_BETWEEN_LOOKS = 5.0

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Places:
    """What decides how many trials run at a time.

    Attributes:
        worker: What each worker of a trial takes.
        num_workers: Of each trial.
        most: Trials at a time that the user allows; None for any number.
        autoscaling: Whether nodes come on demand: then one more than fit is let through, since a trial that waits is
            what makes the cluster start a node.
    """

    worker: Resources
    num_workers: int = 1
    most: int | None = None
    autoscaling: bool = False

    def count(self) -> int | None:
        """As the nodes are now; None if trials fit on none, as when the only one is gone."""
        try:
            fitting = most_concurrent(self.worker, self.num_workers) + self.autoscaling
        except (RunError, ray.exceptions.RayError):
            return None
        return min(fitting, self.most or fitting)


_places: ContextVar[Places] = ContextVar("places")


@contextmanager
def places_of_this_session(places: Places) -> Iterator[None]:
    """While this is open, `Elastic` goes by these, whatever an earlier session of the run went by."""
    token = _places.set(places)
    try:
        yield
    finally:
        _places.reset(token)


class Elastic(Callback):
    """Tells the searcher how many trials may be under way, after Tune has told it so once for all.

    Tune pickles it into the run's folder, and what the user allows may be another number in the next session: so it
    holds none, see `places_of_this_session`.
    """

    _number: int | None = None
    _next_look = 0.0

    def __init__(self, searcher: ArchitectureSearcher) -> None:
        """Of the run; Tune pickles both together."""
        self._searcher = searcher

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Look at the nodes now and then; it takes about a millisecond."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _SECONDS_BETWEEN_LOOKS
        number = _places.get().count()
        if number is None:
            return  # trials under way wait for another node
        if self._number is not None and number != self._number:
            _logger.info("The cluster has %d places for trials, after %d.", number, self._number)
        self._number = number
        self._searcher.set_max_concurrency(number)

    def __getstate__(self) -> dict[str, Any]:
        """A restored one looks at once."""
        return {"_searcher": self._searcher}
