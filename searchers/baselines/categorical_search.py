"""The base of the searchers for which an architecture is a row of categorical choices."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mpnas_ray.errors import SearchSpaceError
from mpnas_ray.spaces import Architecture, Architectures
from searchers.core.architecture_searcher import ArchitectureSearcher
from searchers.core.proposals import Proposal

__all__ = ["CategoricalSearch"]

_DRAWS = 2


class CategoricalSearch(ArchitectureSearcher):
    """Chooses each code of an architecture without regard to what makes a cell valid; a base.

    A draw may be no cell at all, or one that was proposed before. After a second draw the proposal is the unseen cell
    that differs from the last draw in the fewest codes: of all cells of a small space, else of random ones and the
    neighbours of the best cell so far. Nearly every draw ends there in NAS-Bench-101 and in the mixed space, whose
    codes depend on each other.
    """

    _num_random = 1
    """Number of results before which proposals are random."""

    @abstractmethod
    def _draw(self, rng: Generator) -> NDArray[np.int8]:
        """Draw one value for each code, ``[code_length]``."""

    @cached_property
    def _choices(self) -> list[NDArray[np.int8]]:
        """The values that each code can take, ascending."""
        space = self.space
        cells = space.enumerate() if space.enumerable else space.sample_many(5_000, np.random.default_rng(0))
        return [np.unique(column) for column in cells.codes.T]

    def _chosen(self, text: str) -> NDArray[np.intp] | None:
        """Return the number of each code of an architecture among its choices; None if a code is too rare for one."""
        codes = self.space.parse(text).codes
        chosen = [int(np.searchsorted(values, code)) for values, code in zip(self._choices, codes, strict=True)]
        known = all(
            number < len(values) and values[number] == code
            for number, values, code in zip(chosen, self._choices, codes, strict=True)
        )
        return np.array(chosen) if known else None

    def _propose(self) -> Proposal:
        if len(self.observations.completed) < self._num_random:
            return self._proposals.random_unseen() or "FINISHED"
        rng = self._proposals.next_rng()
        for _ in range(_DRAWS):
            drawn = self._draw(rng)
            arch = self._cell(drawn)
            if arch is None:
                break  # the next draw would be no cell either
            if arch not in self._proposals:
                return arch
        return self._nearest_unseen(drawn, rng) or self._proposals.random_unseen() or "FINISHED"

    def _cell(self, codes: NDArray[np.int8]) -> Architecture | None:
        """Return the architecture of these codes, None if they are not those of a cell."""
        try:
            arch = self.space.parse(str(self.space.architecture(codes)))
        except (SearchSpaceError, IndexError):
            return None
        return arch if arch.codes == tuple(codes.tolist()) else None

    def _nearest_unseen(self, codes: NDArray[np.int8], rng: Generator) -> Architecture | None:
        """Return the unseen candidate that differs in the fewest codes; a random one of several."""
        allowed = self._proposals.candidates
        if allowed.listed is not None:
            candidates, found = allowed.listed, allowed.listed_keys
            distance = _distance(candidates, codes, rng)
        else:
            archs, labels = self.observations.labels()
            around = self.space.neighbors(self.space.parse(archs[int(np.argmax(labels))]))
            pool = self.space.sample_many(1_000, rng)
            candidates = Architectures(self.space, np.concatenate([pool.codes, around.codes]))
            distance = _distance(candidates, codes, rng)
            nearest = np.argsort(distance)[:64]  # the keys of all would take too long
            candidates, distance = candidates[nearest], distance[nearest]
            found = allowed.keys(candidates)
        seen = np.isin(found, self._proposals.seen_keys())
        distance[seen] = np.inf
        best = int(np.argmin(distance))
        return None if seen[best] else candidates[best]


def _distance(candidates: Architectures, codes: NDArray[np.int8], rng: Generator) -> NDArray[np.float64]:
    """Count the codes in which each candidate differs, ``[N]``, plus a fraction that orders equals at random."""
    differing = np.asarray(candidates.codes != codes).sum(axis=1)
    distance: NDArray[np.float64] = differing + rng.random(len(candidates))
    return distance
