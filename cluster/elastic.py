"""As many trials at a time as the cluster has places for, while nodes come and go."""

from __future__ import annotations

import logging
import time
from typing import Any

import ray
from ray.tune import Callback

from cluster.ray_cluster import Resources, most_concurrent
from mpnas_ray.errors import RunError
from searchers import ArchitectureSearcher

__all__ = ["Elastic"]

_SECONDS_BETWEEN_LOOKS = 5.0

_logger = logging.getLogger(__name__)


class Elastic(Callback):
    """Tells the searcher how many trials may be under way, after Tune has told it so once for all.

    Where the cluster scales by itself one more than fit is let through: a trial that waits is what makes it start a
    node.
    """

    def __init__(
        self,
        searcher: ArchitectureSearcher,
        worker: Resources,
        num_workers: int,
        *,
        most: int | None,
        autoscaling: bool,
        places: int,
    ) -> None:
        """Begin with the number that Tune was given.

        Args:
            searcher: Of the run; Tune pickles both together.
            worker: What each worker of a trial takes.
            num_workers: Of each trial.
            most: Trials at a time that the user allows; None for any number.
            autoscaling: Whether nodes come on demand.
            places: Trials at a time in the beginning.
        """
        self._searcher, self._worker, self._num_workers, self._most = searcher, worker, num_workers, most
        self._autoscaling, self._places = autoscaling, places
        self._next_look = 0.0

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Look at the nodes now and then; it takes about a millisecond."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _SECONDS_BETWEEN_LOOKS
        places = self._count()
        if places != self._places:
            _logger.info("The cluster has %d places for trials, after %d.", places, self._places)
        self._places = places
        self._searcher.set_max_concurrency(places)

    def _count(self) -> int:
        try:
            fitting = most_concurrent(self._worker, self._num_workers) + self._autoscaling
        except (RunError, ray.exceptions.RayError):
            return self._places  # the node that trials fit on is gone; those under way wait for another
        return min(fitting, self._most or fitting)

    def __getstate__(self) -> dict[str, Any]:
        """A restored one looks at once."""
        return {**self.__dict__, "_next_look": 0.0}
