"""Search spaces and the architectures in them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from mpnas_ray.errors import SearchSpaceError
from mpnas_ray.names import no_such
from mpnas_ray.spaces.architecture import Architecture, Architectures
from mpnas_ray.spaces.drawing import draw
from mpnas_ray.spaces.mixed import Mixed
from mpnas_ray.spaces.nasbench101 import NASBench101
from mpnas_ray.spaces.nasbench201 import NASBench201
from mpnas_ray.spaces.nasbenchasr import NASBenchASR
from mpnas_ray.spaces.operation_graph import OperationGraphs
from mpnas_ray.spaces.operations import KINDS, OPERATIONS
from mpnas_ray.spaces.space import SearchSpace
from mpnas_ray.spaces.transnasbench101 import TransNASBench101

__all__ = [
    "KINDS",
    "OPERATIONS",
    "SPACE_NAMES",
    "Architecture",
    "Architectures",
    "OperationGraphs",
    "SearchSpace",
    "draw",
    "get_space",
    "parse_architecture",
]

_SPACES: dict[str, Callable[[], SearchSpace]] = {
    "nasbench101": NASBench101,
    "nasbench201": NASBench201,
    "transnasbench101": TransNASBench101,
    "nasbenchasr": NASBenchASR,
    "mixed": Mixed,
}

SPACE_NAMES: tuple[str, ...] = tuple(_SPACES)


def get_space(name: str) -> SearchSpace:
    """The search space of that name; the same object each time.

    Raises:
        SearchSpaceError: If there is none; the message lists those there are.
    """
    if not isinstance(name, str) or name not in _SPACES:
        raise SearchSpaceError(no_such("search space", name, SPACE_NAMES))
    return _made(name)


@cache
def _made(name: str) -> SearchSpace:
    return _SPACES[name]()


def parse_architecture(text: str) -> Architecture:
    """Read an architecture string of any space, ``<space>:<cell>``."""
    name, colon, _ = text.partition(":")
    if not colon:
        raise SearchSpaceError(f"{text!r} does not say its space: write '<space>:<cell>', e.g. 'nasbench201:{text}'.")
    return get_space(name).parse(text)
