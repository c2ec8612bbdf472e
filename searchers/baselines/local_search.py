"""Local search (White, Nolen and Savani 2021, "Exploring the Loss Landscape in Neural Architecture Search").

From a random architecture, neighbours are tried in random order; as soon as one is better, its neighbours are tried
instead. Where none is better the search begins anew elsewhere.

The paper also moves to the best of all neighbours, once all of them are measured. Cells have 18 to 60 neighbours, so
that a search of 100 trials would make two to five such moves; the first better one makes many small ones instead.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from searchers.core.architecture_searcher import ArchitectureSearcher
from searchers.core.proposals import Proposal
from searchers.core.state import Arrays, value_of

__all__ = ["LocalSearch"]


class LocalSearch(ArchitectureSearcher):
    """Climbs to the first better neighbour, and starts at random again where there is none (White et al. 2021).

    With several trials under way at once, neighbours of one architecture are tried side by side. A climb is given up
    as soon as the last neighbour is proposed rather than measured: waiting for it would leave the cluster idle.

    Example:
        >>> from searchers import LocalSearch
        >>> searcher = LocalSearch("transnasbench101", "accuracy", "max", seed=0)
        >>> first = searcher.suggest("trial-1")["arch"]
        >>> searcher.on_trial_complete("trial-1", {"accuracy": 0.5})
        >>> searcher.suggest("trial-2")["arch"] in map(str, searcher.space.neighbors(searcher.space.parse(first)))
        True
    """

    _start = 0  # number of trials before the first of this climb

    def _propose(self) -> Proposal:
        top = self._top()
        if top is not None:
            neighbors = self._proposals.unseen_neighbors(self.space.parse(top))
            if len(neighbors):
                return neighbors[int(self._proposals.next_rng().integers(len(neighbors)))]
            self._start = len(self.observations)
        return self._proposals.random_unseen() or "FINISHED"

    def _top(self) -> str | None:
        """Return the best architecture of this climb, the earliest of several; None if nothing of it is measured."""
        _, labels = self.observations.labels()
        completed = [record.status == "completed" for record in self.observations.trials.values()]
        first = sum(completed[: self._start])  # the labels of this climb come after those of the climbs before
        if first == len(labels):
            return None
        return self.observations.completed[first + int(np.argmax(labels[first:]))].arch

    def _own_state(self) -> tuple[dict[str, Any], Arrays]:
        return {"start": self._start}, {}

    def _set_own_state(self, plain: dict[str, Any], arrays: Arrays) -> None:
        self._start = value_of(plain, "start", int, least=0)
