"""Search spaces by name, and architecture strings of any of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from mpnas_ray.errors import SearchSpaceError
from mpnas_ray.names import no_such

if TYPE_CHECKING:
    from mpnas_ray.spaces.architecture import Architecture
    from mpnas_ray.spaces.space import SearchSpace

__all__ = ["get_space", "parse_architecture", "register", "space_names"]

_MAKERS: dict[str, Callable[[], SearchSpace]] = {}
"""Name of each space to the function that builds it; filled by `mpnas_ray.spaces`, which is imported first."""


def register(name: str, make: Callable[[], SearchSpace]) -> None:
    """Make a search space known by its name; it is built when it is asked for first."""
    _MAKERS[name] = make


def space_names() -> tuple[str, ...]:
    """Return the names of all search spaces, in the order of their registration."""
    return tuple(_MAKERS)


def get_space(name: str) -> SearchSpace:
    """Return the search space of that name, the same object each time.

    Raises:
        SearchSpaceError: If there is none; the message lists those there are.
    """
    if not isinstance(name, str) or name not in _MAKERS:
        raise SearchSpaceError(no_such("search space", name, space_names()))
    return _made(name)


@cache
def _made(name: str) -> SearchSpace:
    return _MAKERS[name]()


def parse_architecture(text: str) -> Architecture:
    """Read an architecture string of any space, ``<space>:<cell>``.

    Raises:
        SearchSpaceError: If it is none; the message says why.
    """
    if not isinstance(text, str):
        raise SearchSpaceError(f"An architecture is written as text, not as {type(text).__name__}.")
    name, colon, _ = text.partition(":")
    if not colon:
        raise SearchSpaceError(f"{text!r} does not say its space: write '<space>:<cell>', e.g. 'nasbench201:{text}'.")
    return get_space(name).parse(text)
