"""Answer a name that is not known with those that are, and the one that was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["did_you_mean", "no_such"]

_LEAST_SIMILARITY = 0.6
"""The default of `difflib.get_close_matches`."""


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Suggest the most similar of the known names: ``" Did you mean 'darcy'?"``, or an empty text if none is similar.

    Capitals, spaces and the signs between words do not count.
    """
    plain: dict[str, str] = {}
    for one in known:
        plain.setdefault(_plain(one), one)
    close = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=_LEAST_SIMILARITY)
    return f" Did you mean {plain[close[0]]!r}?" if close else ""


def no_such(what: str, name: object, known: Iterable[str], *, after: str = "", separator: str = ", ") -> str:
    """Say that there is nothing of that name, what there is, and which name may have been meant.

    Args:
        what: Kind of thing, e.g. ``search space``.
        name: Name that was asked for.
        known: All names that there are.
        after: Words that follow the name in the first sentence, e.g. ``to compare``.
        separator: Text between the names.
    """
    names = list(known)
    asked = " ".join(part for part in (f"{name!r}", after) if part)
    there = f"There are: {separator.join(names)}." if names else "There is none."
    return f"There is no {what} {asked}. {there}{did_you_mean(name, names)}"


def _plain(name: object) -> str:
    return "".join(letter for letter in str(name).casefold() if letter not in " _-.")
