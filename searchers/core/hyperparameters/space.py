"""The open entries of a ``param_space`` beside the architecture: drawn by an Optuna sampler, given what was measured.

An open entry is one of Tune's domains, wherever it stands in the ``param_space``: in nested mappings, in lists and
tuples, and among the categories of a choice. A trial receives what Tune alone would give it. Entries that stand in a
category are drawn by Tune's own random sampling when that category is chosen; all others are drawn by Optuna.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from numpy.random import Generator
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from ray.tune.search.sample import Categorical, Domain

from mpnas_ray.errors import SearcherStateError, SearchSpaceError
from searchers.core.hyperparameters.domains import (
    distribution_of,
    domain_from_plain,
    domain_to_plain,
    inner_value,
    received_value,
    why_unusable,
)
from searchers.core.json_values import Lost, from_plain, named, to_plain

__all__ = ["Hyperparameters", "SamplerFactory", "tpe_sampler"]

SamplerFactory = Callable[[int], BaseSampler]
"""Seed -> sampler; one is made for each proposal, so that none has to be saved."""

Path = tuple[Any, ...]
"""Keys and indices on the way to an entry."""

_NEEDED = "give a constant, or tune.uniform, loguniform, randint, choice and the like."
_REFERENCES = ("__ref_ph", "__fn_ph")
"""First entries of the tuples that Tune puts in place of objects and functions (`ray.tune.impl.placeholder`)."""


def tpe_sampler(seed: int) -> BaseSampler:
    """Return Optuna's default sampler."""
    return TPESampler(seed=seed, multivariate=True, constant_liar=True)


@dataclass(frozen=True)
class Hyperparameters:
    """Holds the open entries of a ``param_space``.

    Attributes:
        open_part: The ``param_space`` without what is constant. A list or tuple that holds a domain is kept whole,
            since a trial's config can only be given it as a whole.
        references: Names of entries that are objects or functions, which Tune does not keep in a saved experiment.
        from_state: Whether this comes from a saved state, so that nothing is behind the references.
    """

    open_part: Mapping[Any, Any] = field(default_factory=dict)
    references: tuple[str, ...] = ()
    from_state: bool = False

    @classmethod
    def of(cls, param_space: Mapping[str, Any]) -> Hyperparameters:
        """Find the open entries.

        Raises:
            SearchSpaceError: If one is a grid search, or not drawn independently of all else, or nothing can be drawn
                from it; by name.
        """
        open_part = _open_part(param_space, ())
        found = cls(open_part or {}, tuple(_references(param_space, ())))
        names = [_name(path) for path, _ in _domains(found.open_part, ())]
        for name in names:
            if names.count(name) > 1:
                raise SearchSpaceError(f"Two entries of param_space are called {name}: rename one of them.")
        return found

    def __len__(self) -> int:
        return len(self.domains)

    @cached_property
    def domains(self) -> dict[str, Domain]:
        """Name, ``a/b`` for an entry b of a, -> Tune's domain; without those that stand in a category."""
        return {_name(path): domain for path, domain in _domains(self.open_part, ())}

    def distributions(self) -> dict[str, BaseDistribution]:
        """Return name -> what Optuna draws from."""
        return {name: distribution_of(domain) for name, domain in self.domains.items()}

    def config(self, drawn: Mapping[str, Any], rng: Generator) -> dict[str, Any]:
        """Return drawn values as what a trial receives, nested as in the ``param_space``.

        Args:
            drawn: Name -> value that was drawn from the distribution of that name, for all entries.
            rng: Draws what stands in a chosen category.
        """

        def fill(value: Any, path: Path) -> Any:
            if isinstance(value, Domain):
                return sampled(received_value(value, drawn[_name(path)]))
            return _rebuilt(value, path, fill)

        def sampled(value: Any, path: Path = ()) -> Any:
            if isinstance(value, Domain):
                return sampled(value.sample(random_state=rng))
            return _rebuilt(value, path, sampled)

        config: dict[str, Any] = fill(self.open_part, ())
        return config

    def found_in(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return, for the entries that a config has inside their domains, what would have been drawn for them."""
        found = {}
        for path, domain in _domains(self.open_part, ()):
            value = _at(config, path)
            if value is not _MISSING and (inner := _inner(domain, value)) is not None:
                found[_name(path)] = inner
        return found

    def drawn(self, config: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what would have been drawn for a config; None if it lacks an entry or has one outside its domain."""
        found = self.found_in(config)
        return found if len(found) == len(self) else None

    def outside(self, config: Mapping[str, Any]) -> list[str]:
        """Return the names of the entries that a config has outside their domains."""
        inside = self.found_in(config)
        return [
            _name(path)
            for path, _ in _domains(self.open_part, ())
            if _name(path) not in inside and _at(config, path) is not _MISSING
        ]

    def widened_by(self, other: Hyperparameters) -> Hyperparameters:
        """Return these with the entries of another that these lack, as a restored searcher needs them."""
        return Hyperparameters(_joined(self.open_part, other.open_part), self.references, self.from_state)

    @cached_property
    def lost(self) -> tuple[str, ...]:
        """Names of entries whose objects or functions a saved state does not hold; they have to be given again."""
        if not self.from_state:
            return ()
        named = [_name(path) for path, value in _leaves(self.open_part, ()) if isinstance(value, Lost)]
        return tuple(dict.fromkeys([*self.references, *named]))

    def require_complete(self) -> None:
        """Refuse to go on without the objects and functions that a saved state does not hold.

        Raises:
            SearchSpaceError: Naming their entries.
        """
        if self.lost:
            raise SearchSpaceError(
                f"A saved experiment does not hold the objects and functions in its param_space "
                f"({', '.join(self.lost)}), which new trials need: give them again, by "
                f"Tuner.restore(path, trainable, param_space=...) with the param_space that it began with."
            )

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for a state file."""

        def other(value: Any) -> dict[str, Any]:
            return domain_to_plain(value, other) if isinstance(value, Domain) else named(value)

        return {"open_part": to_plain(dict(self.open_part), other), "references": list(self.references)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Hyperparameters:
        """Return what `to_plain` was called on.

        Raises:
            SearcherStateError: If ``plain`` is nothing that `to_plain` returns.
        """

        def other(content: dict[str, Any]) -> Any:
            return domain_from_plain(content, other)

        try:
            open_part = from_plain(plain["open_part"], other)
            references = tuple(map(str, plain["references"]))
            restored = cls.of(open_part)
        except (KeyError, TypeError, ValueError, AttributeError, AssertionError, ArithmeticError) as error:
            raise SearcherStateError(f"the open entries of its param_space are damaged: {error}") from error
        return cls(restored.open_part, references, from_state=True)


_MISSING = object()


def _name(path: Path) -> str:
    """Return ``a/b/0`` for the entry at a path."""
    return "/".join(str(key).replace("/", "\\/") for key in path)


def _open_part(value: Any, path: Path) -> Any:
    """Return a value without what is constant in it; None if all is."""
    if isinstance(value, Domain):
        if (problem := why_unusable(value)) is not None:
            raise SearchSpaceError(f"{_name(path)} of param_space {problem}: {_NEEDED}")
        if isinstance(value, Categorical):
            for category in value.categories:
                _open_part(category, path)
        return value
    if isinstance(value, Mapping):
        if len(value) == 1 and ("grid_search" in value or "eval" in value):
            what = "a grid search" if "grid_search" in value else "an expression"
            raise SearchSpaceError(
                f"{_name(path)} of param_space is open as {what}, which is not drawn independently: {_NEEDED}"
            )
        parts = {key: _open_part(each, (*path, key)) for key, each in value.items()}
        return {key: part for key, part in parts.items() if part is not None} or None
    if isinstance(value, list | tuple):
        parts = {index: _open_part(each, (*path, index)) for index, each in enumerate(value)}
        return value if any(part is not None for part in parts.values()) else None
    return None


def _references(value: Any, path: Path) -> Iterator[str]:
    """Yield the names of the entries in whose place Tune has put a reference."""
    if isinstance(value, Categorical):
        if any(True for category in value.categories for _ in _references(category, path)):
            yield _name(path)
    elif isinstance(value, tuple) and len(value) == 2 and value[0] in _REFERENCES:
        yield _name(path)
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _references(each, (*path, key))
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from _references(each, (*path, index))


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield what is no mapping, list, tuple or choice, with its path; categories have the path of their choice."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _leaves(each, (*path, key))
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from _leaves(each, (*path, index))
    elif isinstance(value, Categorical):
        for category in value.categories:
            yield from _leaves(category, path)
    else:
        yield path, value


def _domains(value: Any, path: Path) -> Iterator[tuple[Path, Domain]]:
    """Yield the domains in a value with their paths; not those among the categories of a choice."""
    if isinstance(value, Domain):
        yield path, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _domains(each, (*path, key))
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from _domains(each, (*path, index))


def _rebuilt(value: Any, path: Path, fill: Callable[[Any, Path], Any]) -> Any:
    """Return a mapping, list or tuple whose parts were filled; anything else as it is."""
    if isinstance(value, Mapping):
        return {key: fill(each, (*path, key)) for key, each in value.items()}
    if isinstance(value, list):
        return [fill(each, (*path, index)) for index, each in enumerate(value)]
    if isinstance(value, tuple):
        return tuple(fill(each, (*path, index)) for index, each in enumerate(value))
    return value


def _at(config: Any, path: Path) -> Any:
    """Return the entry at a path; ``_MISSING`` if there is none."""
    for key in path:
        there = isinstance(config, Mapping) and key in config
        listed = isinstance(config, list | tuple) and isinstance(key, int) and key < len(config)
        if not (there or listed):
            return _MISSING
        config = config[key]
    return config


def _inner(domain: Domain, value: Any) -> Any:
    """Return what would have been drawn for a value; of a choice, also where its category holds further domains."""
    inner = inner_value(domain, value)
    if inner is None and isinstance(domain, Categorical):
        matching = (number for number, category in enumerate(domain.categories) if _matches(category, value))
        return next(matching, None)
    return inner


def _matches(category: Any, value: Any) -> bool:
    """Tell whether a value may have come from a category."""
    if isinstance(category, Domain):
        return _inner(category, value) is not None
    if isinstance(category, Mapping):
        return (
            isinstance(value, Mapping)
            and category.keys() == value.keys()
            and all(_matches(each, value[key]) for key, each in category.items())
        )
    if isinstance(category, list | tuple):
        return isinstance(value, list | tuple) and len(category) == len(value) and all(map(_matches, category, value))
    return inner_value(Categorical([category]), value) is not None


def _joined(first: Any, second: Any) -> Any:
    """Return the entries of both; where both have one, that of the first."""
    if not (isinstance(first, Mapping) and isinstance(second, Mapping)):
        return first
    return {
        **{key: each for key, each in second.items() if key not in first},
        **{key: _joined(each, second.get(key)) for key, each in first.items()},
    }
