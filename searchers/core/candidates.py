"""The architectures that a searcher may propose, and when two of them count as the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mpnas_ray.checks import require_bool, require_callable
from mpnas_ray.errors import SearchSpaceError
from mpnas_ray.spaces import Architecture, Architectures, SearchSpace, get_space

__all__ = ["Candidates", "Constraint", "chosen_architectures"]

Constraint = Callable[[Architectures], ArrayLike]
"""N architectures -> whether each may be proposed, bool ``[N]``."""

_BATCHES = 20
_BATCH = 1_000
"""Random architectures in which enough that satisfy a constraint are looked for: so many batches of at least that."""


@dataclass(frozen=True)
class Candidates:
    """The architectures of a space that may be proposed.

    In a search two architectures count as the same if they are isomorphic: one network, of one canonical form. A table
    has measured isomorphic cells apart and holds different values for them, so that a replay of it counts only equal
    texts as the same (``allow_isomorphic``).

    Attributes:
        space_name: Name of the search space.
        allow_isomorphic: Whether isomorphic architectures count as different.
        constraint: Says which may be proposed; None for all.
        chosen: The only ones that may be proposed, as strings; None for all.
    """

    space_name: str
    allow_isomorphic: bool = False
    constraint: Constraint | None = None
    chosen: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        require_bool("allow_isomorphic", self.allow_isomorphic)
        if self.constraint is not None:
            require_callable("constraint", self.constraint, "N architectures -> N booleans")

    @property
    def space(self) -> SearchSpace:
        """The search space."""
        return get_space(self.space_name)

    def keys(self, archs: Architectures) -> NDArray[np.uint64]:
        """Return one number an architecture, ``[N]``, equal for those that count as the same."""
        return archs.text_keys() if self.allow_isomorphic else archs.canonical_keys()

    def key(self, arch: Architecture) -> int:
        """Return the key of one architecture."""
        return int(self.keys(Architectures.of([arch]))[0]) if self.allow_isomorphic else arch.canonical

    @cached_property
    def listed(self) -> Architectures | None:
        """Each that may be proposed once, always the same object; None where they are too many to list."""
        if self.chosen is not None:
            archs = Architectures.of(list(self.chosen), self.space)
            _, first = np.unique(self.keys(archs), return_index=True)
            archs = archs[np.sort(first)]
        elif self.space.enumerable:
            archs = self.space.enumerate() if self.allow_isomorphic else self.space.distinct()
        else:
            return None
        return archs if self.constraint is None else archs[self._satisfying(archs)]

    @cached_property
    def listed_keys(self) -> NDArray[np.uint64]:
        """The keys of `listed`."""
        assert self.listed is not None
        return self.keys(self.listed)

    def sample(self, num: int, rng: np.random.Generator) -> Architectures:
        """Draw random ones, none twice; fewer than ``num`` where few satisfy the constraint or many are the same."""
        if self.listed is not None:
            return self.listed[rng.permutation(len(self.listed))[:num]]
        found: list[Architectures] = []
        seen = np.empty(0, dtype=np.uint64)
        for _ in range(_BATCHES if self.constraint else 1):
            drawn = self.space.sample_many(max(num, _BATCH) if self.constraint else num, rng)
            drawn = drawn[self._satisfying(drawn)]
            of_drawn, first = np.unique(self.keys(drawn), return_index=True)
            new = first[~np.isin(of_drawn, seen)]
            found.append(drawn[np.sort(new)])
            seen = np.union1d(seen, of_drawn)
            if len(seen) >= num:
                break
        if len(found) == 1:
            return found[0][:num]  # with its keys
        return Architectures(self.space, np.concatenate([each.codes for each in found])[:num])

    def allowed(self, archs: Architectures) -> Architectures:
        """Keep the architectures of a space too large to list that may be proposed."""
        return archs if self.constraint is None else archs[self._satisfying(archs)]

    def unseen(
        self, num: int, seen: NDArray[np.uint64], rng: np.random.Generator
    ) -> tuple[Architectures, NDArray[np.uint64]]:
        """List architectures that were not proposed yet, all or of a sample, in random order, and their keys.

        Args:
            num: Size of the sample; without influence where they are listed.
            seen: Keys of what was proposed, ``[M]``.
            rng: Draws the sample and the order.
        """
        if self.listed is None:
            archs = self.sample(num, rng)
            found = self.keys(archs)
        else:
            order = rng.permutation(len(self.listed))
            archs, found = self.listed[order], self.listed_keys[order]
        left = ~np.isin(found, seen)
        return archs[left], found[left]

    def check(self) -> None:
        """List the candidates if they are few.

        Raises:
            SearchSpaceError: If there are none.
        """
        if not len(self.sample(1, np.random.default_rng(0)) if self.listed is None else self.listed_keys):
            raise SearchSpaceError(f"No architecture of {self.space_name} was found that satisfies the constraint.")

    def allow(self, arch: Architecture) -> bool:
        """Tell whether an architecture may be proposed."""
        if self.chosen is not None:
            return bool(np.isin(np.uint64(self.key(arch)), self.listed_keys))
        return self.constraint is None or bool(self._satisfying(Architectures.of([arch]))[0])

    def _satisfying(self, archs: Architectures) -> NDArray[np.bool_]:
        if self.constraint is None:
            return np.ones(len(archs), dtype=np.bool_)
        satisfied = np.asarray(self.constraint(archs))
        if satisfied.shape != (len(archs),) or satisfied.dtype != np.bool_:
            raise SearchSpaceError(
                f"A constraint takes N architectures and gives N booleans; for {len(archs)} it gave shape "
                f"{list(satisfied.shape)} of {satisfied.dtype}. For a function of one architecture: "
                f"lambda archs: np.array([f(arch) for arch in archs], dtype=bool)."
            )
        return satisfied

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the lists, which are made anew."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def chosen_architectures(space: SearchSpace, texts: Sequence[Any]) -> tuple[str, ...]:
    """Return the architectures that a ``param_space`` lists, as strings.

    Raises:
        SearchSpaceError: If one is none of this space.
    """
    if not texts or not all(isinstance(text, str) for text in texts):
        raise SearchSpaceError(f'The choices of "arch" are architecture strings of {space.name}, not {texts!r}.')
    return tuple(str(space.parse(text)) for text in texts)
