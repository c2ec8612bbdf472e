"""Work that takes long, done in a Ray actor beside the trials rather than in Tune's control loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import ray
from ray.exceptions import RayActorError

__all__ = ["BackgroundActor", "BackgroundWorker"]

_MOST_RESTARTS = 3
"""Most restarts of the actor for one request: a request that kills it each time is given up."""


Request = TypeVar("Request")
Answer = TypeVar("Answer")


class BackgroundWorker(Generic[Request, Answer]):
    """Answers one request at a time, in an actor that is kept from one to the next; without Ray, at once.

    The actor asks for no CPU of its own, so that it waits for no trial and no trial for it. It keeps the function, with
    all that the function remembers between requests.
    """

    def __init__(self, function: Callable[[Request], Answer]) -> None:
        """Keep the function; nothing is started yet.

        Args:
            function: Gives the answer to a request, and may take its time; can be pickled, e.g. a bound method.
        """
        self._function = function
        self._sent: Any = None
        self._actor: Any = None
        self._request: Request | None = None
        self._reference: Any = None
        self._restarts = 0

    @property
    def under_way(self) -> Request | None:
        """The request that is being answered; None if there is none."""
        return self._request

    def prepare(self) -> None:
        """Send the function ahead where Ray runs, so that the start of the actor takes some 50 ms less."""
        if ray.is_initialized() and self._sent is None:
            self._sent = ray.put(self._function)

    def start_actor(self) -> None:
        """Start the actor where Ray runs, so that it has imported what it needs when the first request comes."""
        self.prepare()
        if ray.is_initialized() and self._actor is None:
            self._actor = ray.remote(BackgroundActor).options(num_cpus=0, max_restarts=0).remote(self._sent)

    def start(self, request: Request) -> Answer | None:
        """Send a request; it is answered at once where there is no Ray. It then raises the function's error."""
        if not ray.is_initialized():
            return self.answer_here(request)
        self._request, self._restarts = request, 0
        self._send()
        return None

    def answer_here(self, request: Request) -> Answer:
        """Answer in this process, and raise the function's error."""
        return self._function(request)

    def poll(self) -> Answer | None:
        """Return the answer to the request, once, if it is ready; else None. It raises the function's error."""
        if self._request is None or not ray.wait([self._reference], timeout=0)[0]:
            return None
        try:
            answer: Answer = ray.get(self._reference)
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
        return answer

    def release(self) -> None:
        """Give up the actor and its request; the next request starts a new one."""
        self._actor, self._reference, self._request = None, None, None

    def _send(self) -> None:
        self.start_actor()
        self._reference = self._actor.answer.remote(self._request)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the actor and its request: Tune pickles the searcher when a Tuner is made."""
        return {**self.__dict__, "_sent": None, "_actor": None, "_request": None, "_reference": None}


class BackgroundActor(Generic[Request, Answer]):
    """The process that answers; Ray's dashboard shows it by this name."""

    def __init__(self, function: Callable[[Request], Answer]) -> None:
        self._function = function

    def answer(self, request: Request) -> Answer:
        return self._function(request)
