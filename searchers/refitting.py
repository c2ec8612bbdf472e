"""Where rankings are made: in a Ray actor of their own beside the trials, away from Tune's control loop."""

from __future__ import annotations

from typing import Any, Protocol

import ray
from ray.exceptions import RayActorError

from searchers.ranking import Ranking, RankingRequest

__all__ = ["MakesRankings", "Refitting"]

_MOST_RESTARTS = 3
"""Of the actor for one request: a request that kills it each time is given up."""


class MakesRankings(Protocol):
    """What `Refitting` runs, as `searchers.ranking.Ranker`: can be pickled."""

    def rank(self, request: RankingRequest) -> Ranking:
        """May take its time."""
        ...


class Refitting:
    """One ranking at a time, in an actor that is kept from refit to refit; without Ray, made on the spot.

    The actor asks for no CPU of its own, so that it waits for no trial and no trial for it. It keeps the predictor, and
    what that knows of the candidates.
    """

    def __init__(self, ranker: MakesRankings) -> None:
        """Nothing is started yet."""
        self._ranker = ranker
        self._sent: Any = None
        self._actor: Any = None
        self._request: RankingRequest | None = None
        self._reference: Any = None
        self._restarts = 0

    @property
    def under_way(self) -> RankingRequest | None:
        """The request whose ranking is being made."""
        return self._request

    def prepare(self) -> None:
        """Send the ranker ahead where Ray runs; else the actor's start does, which takes some 50 ms then."""
        if ray.is_initialized() and self._sent is None:
            self._sent = ray.put(self._ranker)

    def start_actor(self) -> None:
        """Start the actor where Ray runs, so that it has imported what it needs when the first request comes."""
        self.prepare()
        if ray.is_initialized() and self._actor is None:
            self._actor = ray.remote(_RankingActor).options(num_cpus=0, max_restarts=0).remote(self._sent)

    def start(self, request: RankingRequest) -> Ranking | None:
        """Ask for a ranking; it is given at once where there is no Ray. Raises what the predictor raised."""
        if not ray.is_initialized():
            return self.make_here(request)
        self._request, self._restarts = request, 0
        self._send()
        return None

    def make_here(self, request: RankingRequest) -> Ranking:
        """Make a ranking in this process. Raises what the predictor raised."""
        return self._ranker.rank(request)

    def poll(self) -> Ranking | None:
        """The ranking that was asked for, once, if it is ready. Waits for nothing. Raises what the predictor raised."""
        if self._request is None or not ray.wait([self._reference], timeout=0)[0]:
            return None
        try:
            ranking: Ranking = ray.get(self._reference)
        except RayActorError:  # killed, or its node lost
            self._actor = None
            if self._restarts == _MOST_RESTARTS:
                self._request = None
                raise
            self._restarts += 1
            self._send()
            return None
        except Exception:
            self._request = None
            raise
        self._request = None
        return ranking

    def release(self) -> None:
        """Give up the actor and what it is at; the next request starts a new one."""
        self._actor, self._reference, self._request = None, None, None

    def _send(self) -> None:
        self.start_actor()
        self._reference = self._actor.rank.remote(self._request)

    def __getstate__(self) -> dict[str, Any]:
        """Without the actor: Tune pickles the searcher when a Tuner is made. A ranking under way is not part of it."""
        return {**self.__dict__, "_sent": None, "_actor": None, "_request": None, "_reference": None}


class _RankingActor:
    def __init__(self, ranker: MakesRankings) -> None:
        self._ranker = ranker

    def rank(self, request: RankingRequest) -> Ranking:
        return self._ranker.rank(request)
