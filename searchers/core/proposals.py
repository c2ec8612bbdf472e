"""Architectures that were proposed, those that were not yet, and the random numbers by which the next one is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.checks import require_seed
from mpnas_ray.spaces import Architecture, Architectures
from searchers.core.candidates import Candidates, chosen_architectures
from searchers.core.state import Arrays, array_of, value_of

__all__ = ["Proposal", "Proposals"]

Proposal = Architecture | Literal["FINISHED"] | None
"""The next architecture; None to be asked again later; ``FINISHED`` if there are no more."""

_MOST_REFUSED = 100
"""Proposals in a row that may not be made; then the next is a random one that may."""


@dataclass
class Proposals:
    """The candidates of a search and which of them were proposed.

    Attributes:
        candidates: The architectures that may be proposed.
        seed: Seed of all draws.
        draws: Number of random generators that were used so far.
        seen: Keys of the architectures that are not to be proposed again.
    """

    candidates: Candidates
    seed: int
    draws: int = 0
    seen: set[int] = field(default_factory=set)

    @classmethod
    def begin(cls, candidates: Candidates, seed: int | None) -> Proposals:
        """Begin with nothing proposed; without a seed, by one that differs each time.

        Raises:
            SettingError: If the seed is no whole number of at least 0.
            SearchSpaceError: If there are no candidates.
        """
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1)[0])
        candidates.check()  # lists those of a small space here rather than in Tune's control loop
        return cls(candidates, require_seed("seed", seed))

    def __contains__(self, arch: Architecture) -> bool:
        """Tell whether an architecture was proposed."""
        return self.candidates.key(arch) in self.seen

    def add(self, arch: Architecture) -> None:
        """Do not propose an architecture again."""
        self.seen.add(self.candidates.key(arch))

    def discard(self, arch: Architecture) -> None:
        """Let an architecture be proposed again."""
        self.seen.discard(self.candidates.key(arch))

    def seen_keys(self) -> NDArray[np.uint64]:
        """Return the keys of what was proposed, ``[M]``."""
        return np.fromiter(self.seen, dtype=np.uint64)

    def next_rng(self) -> np.random.Generator:
        """Return a generator of its own for each draw, so that a restored search goes on as if it had not stopped."""
        self.draws += 1
        return np.random.default_rng([self.seed, self.draws])

    def random_unseen(self) -> Architecture | None:
        """Draw an architecture that was not proposed yet; None if there are no more."""
        rng, listed = self.next_rng(), self.candidates.listed
        if listed is not None:
            unseen = ~np.isin(self.candidates.listed_keys, self.seen_keys())
            return listed[int(rng.choice(np.flatnonzero(unseen)))] if unseen.any() else None
        for size in (16, 256, 4_096):
            for arch in self.candidates.sample(size, rng):
                if arch not in self:
                    return arch
        return None

    def unseen_neighbors(self, arch: Architecture) -> Architectures:
        """List the architectures that differ from this one in one thing and were not proposed yet."""
        neighbors = self.candidates.space.neighbors(arch)
        found = self.candidates.keys(neighbors).tolist()
        return neighbors[np.array([row for row, key in enumerate(found) if key not in self.seen], dtype=np.intp)]

    def next_allowed(self, propose: Callable[[], Proposal]) -> Proposal:
        """Return the first proposal that may be made; a random one if a hundred in a row may not."""
        for _ in range(_MOST_REFUSED):
            proposal = propose()
            if proposal is None or isinstance(proposal, str) or self.candidates.allow(proposal):
                return proposal
            self.add(proposal)
        return self.random_unseen() or "FINISHED"

    def to_plain(self) -> tuple[dict[str, Any], Arrays]:
        """Return plain values and arrays for a state file; the constraint is not part of them."""
        plain = {
            "seed": self.seed,
            "draws": self.draws,
            "allow_isomorphic": self.candidates.allow_isomorphic,
            "chosen": self.candidates.chosen,
        }
        return plain, {"seen": np.array(sorted(self.seen), dtype=np.uint64)}

    def restored(self, plain: Mapping[str, Any], arrays: Arrays) -> Proposals:
        """Return proposals of the same space and constraint that go on from what `to_plain` returned.

        Raises:
            SearcherStateError, SearchSpaceError, KeyError: If it is nothing that `to_plain` returns.
        """
        chosen = None if plain["chosen"] is None else chosen_architectures(self.candidates.space, plain["chosen"])
        allow_isomorphic = value_of(plain, "allow_isomorphic", bool)
        return Proposals(
            replace(self.candidates, allow_isomorphic=allow_isomorphic, chosen=chosen),
            value_of(plain, "seed", int, least=0),
            value_of(plain, "draws", int, least=0),
            set(array_of(arrays, "seen", np.uint64, 1).tolist()),
        )
