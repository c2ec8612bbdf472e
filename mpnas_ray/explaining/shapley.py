"""Shapley values of the slots of a cell, exact over all coalitions (Shapley 1953).

The players are the n slots. The worth v(S) of a coalition S is the mean prediction over cells in which the slots of S
hold what the architecture holds there, and all other slots hold a value drawn uniformly. A game is the array of all
worths: ``[2] * n``, with index 1 on the axis of each slot that is in S.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np
from numpy.typing import NDArray

__all__ = ["game_of_grid", "shapley_values"]

Floats = NDArray[np.float64]


def game_of_grid(grid: Floats, held: Sequence[int]) -> Floats:
    """Compute the worth of every coalition from the predictions of all cells.

    Args:
        grid: Prediction of each combination of values, one axis for each of the n slots.
        held: Value that the architecture holds in each slot, an index on the slot's axis.

    Returns:
        The game, ``[2] * n``.
    """
    game = grid
    for axis, value in enumerate(held):
        game = np.stack([game.mean(axis=axis), game.take(value, axis=axis)], axis=axis)
    return game


def shapley_values(game: Floats, num_slots: int | None = None) -> Floats:
    """Compute the mean gain from each slot over all orders in which the slots may join.

    phi_i = sum over S without i of |S|! (n - |S| - 1)! / n! (v(S with i) - v(S)).

    Args:
        game: Worths of all coalitions, ``[2] * n``; axes behind these are further games.
        num_slots: n; by default every axis is a slot.

    Returns:
        ``[n, ...]``. Over the slots they sum to the worth of all minus the worth of none.
    """
    n = game.ndim if num_slots is None else num_slots
    if n == 0:
        return np.zeros((0, *game.shape))
    sizes = np.indices((2,) * (n - 1)).sum(axis=0)  # of the coalitions of the others
    orders = np.array([1 / (n * comb(n - 1, size)) for size in range(n)])[sizes]
    weights = orders.reshape(orders.shape + (1,) * (game.ndim - n))
    others = tuple(range(n - 1))
    gains = (game.take(1, axis=slot) - game.take(0, axis=slot) for slot in range(n))
    return np.stack([(weights * gain).sum(axis=others) for gain in gains])
