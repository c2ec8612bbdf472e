"""Looks of methods, the same in every chart of a page and in the picture beside it.

No two methods share both the mark on their lines and the dashes of these, so that they are told apart without colour.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["COLOURS", "DASHES", "Look", "looks_of", "numbers_of"]

COLOURS = ("#b3261e", "#0067a8", "#b65a00", "#00795a", "#7a3fb0", "#6b5d00")
"""Colours on a light page; the first is that of the method in focus. ``style.css`` has those on a dark one."""

DASHES: tuple[tuple[float, ...], ...] = ((), (7.0, 3.0), (2.0, 3.0), (9.0, 3.0, 2.0, 3.0))
"""Lengths of the dashes of a line and of the gaps between them; the last is that of variants."""

_SHAPES = ("circle", "square", "triangle", "down", "diamond", "cross", "plus")
_FOCUS = "star"
_VARIANT = len(DASHES) - 1


@dataclass(frozen=True)
class Look:
    """The look of a method.

    Attributes:
        colour: Place of its colour in `COLOURS`.
        shape: Shape of the marks on its lines, of `cluster.report.charts.SHAPES`.
        dash: Place of its dashes in `DASHES`.
        strong: True for the method in focus, whose lines are thick.
    """

    colour: int
    shape: str
    dash: int
    strong: bool = False

    @property
    def classes(self) -> str:
        """Classes of the style sheet."""
        return f"series colour-{self.colour} dash-{self.dash}{' strong' if self.strong else ''}"


def looks_of(methods: Sequence[str], focus: str | None = None, variant: str = ", far") -> dict[str, Look]:
    """Give each method a look.

    Args:
        methods: Names of all methods that may ever stand beside each other, so that one has the same look everywhere;
            up to 21 without the variants have looks of their own.
        focus: Method that the others are compared with; None if there is none.
        variant: Ending of the names of variants, which have the look of their method but for the dashes.

    Returns:
        Name -> look, in the order of the methods.
    """
    names = list(dict.fromkeys(name.removesuffix(variant) for name in methods))
    others = [name for name in names if name != focus]
    looks = {
        name: Look(1 + place % (len(COLOURS) - 1), _SHAPES[place % len(_SHAPES)], place // len(_SHAPES) % _VARIANT)
        for place, name in enumerate(others)
    }
    if focus is not None:
        looks[focus] = Look(0, _FOCUS, 0, strong=True)
    found = {name: looks[name.removesuffix(variant)] for name in methods}
    return {
        name: Look(look.colour, look.shape, _VARIANT, look.strong) if name.endswith(variant) else look
        for name, look in found.items()
    }


def numbers_of(methods: Iterable[str]) -> dict[str, int]:
    """Number the methods of a page for ``data-t``: below 0, as trials on the same page have numbers from 1."""
    return {name: -place for place, name in enumerate(methods, 1)}
