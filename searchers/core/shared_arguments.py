"""The constructor arguments that all searchers share: their types, and their documentation in every searcher's help.

A searcher passes the arguments that it does not know on to its base, as ``**shared: Unpack[SharedArguments]``. The base
documents them once; `complete_docstring` repeats that where users look for it, in the docstring and the signature of
each searcher.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from searchers.core.candidates import Constraint
from searchers.core.hyperparameters.space import SamplerFactory
from searchers.core.trials.starting_points import Evaluated

__all__ = ["SharedArguments", "complete_docstring"]


class SharedArguments(TypedDict, total=False):
    """Keyword arguments of every searcher; `searchers.ArchitectureSearcher` documents them."""

    points_to_evaluate: Sequence[str | Mapping[str, Any]] | None
    evaluated_rewards: Sequence[float] | None
    evaluated: Evaluated | None
    seed: int | None
    max_concurrent: int | None
    constraint: Constraint | None
    allow_isomorphic: bool
    hyperparameter_sampler: SamplerFactory


def complete_docstring(cls: type) -> None:
    """Add to a class what its constructor takes without documenting it, in the words of its bases.

    The class's docstring gets an entry under ``Args:`` for each argument of the constructor, in their order, and the
    constructor's signature gets the arguments behind ``**shared: Unpack[...]`` by name.

    Args:
        cls: A class with Google style docstrings, whose bases were completed before.
    """
    if "__init__" in vars(cls):
        _name_passed_arguments(cls)
    text = vars(cls).get("__doc__")
    if not text:
        return  # `inspect.getdoc` then gives the docstring of a base
    known: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        known |= _entries(each)
    taken = [known[name] for name in inspect.signature(cls).parameters if name in known]
    before, _, after = _split(inspect.cleandoc(text))
    cls.__doc__ = "\n\n".join(part for part in (before, "\n".join(["Args:", *taken]), after) if part)


def _name_passed_arguments(cls: Any) -> None:
    """Put the names behind ``**shared`` into the signature of a class's own constructor."""
    signature = inspect.signature(cls.__init__)
    listed = list(signature.parameters.values())
    if not listed or listed[-1].kind is not inspect.Parameter.VAR_KEYWORD:
        return
    named = re.fullmatch(r"Unpack\[(\w+)\]", str(listed[-1].annotation))
    if named is None:
        return
    passed = vars(sys.modules[cls.__module__])[named[1]].__annotations__
    of_base = inspect.signature(cls.__mro__[1].__init__).parameters
    further = [of_base[name].replace(kind=inspect.Parameter.KEYWORD_ONLY) for name in of_base if name in passed]
    cls.__init__.__signature__ = signature.replace(parameters=[*listed[:-1], *further])


_SECTION = re.compile(r"^Args:\n((?:[ ]+.*\n?|\n(?=[ ]))+)", re.MULTILINE)
_NEXT = re.compile(r"^(?:Raises|Example|Examples|Attributes):$", re.MULTILINE)
_ENTRY = re.compile(r"^ {4}(\w+): .*(?:\n {5,}.*)*", re.MULTILINE)


def _split(text: str) -> tuple[str, str, str]:
    """Return a docstring's text before its arguments, their section, and the text after them."""
    section = _SECTION.search(text)
    if section is not None:
        return text[: section.start()].rstrip(), section[1], text[section.end() :].strip()
    following = _NEXT.search(text)
    end = following.start() if following is not None else len(text)
    return text[:end].rstrip(), "", text[end:].strip()


def _entries(cls: type) -> dict[str, str]:
    """Return name -> entry of the arguments that a class documents."""
    _, own, _ = _split(inspect.cleandoc(vars(cls).get("__doc__") or ""))
    return {entry[1]: entry[0] for entry in _ENTRY.finditer(own)}
