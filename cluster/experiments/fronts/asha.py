"""MO-ASHA (Schmucker et al. 2021): asynchronous successive halving for several objectives."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from searchers.model_based.objectives.front import non_dominated

__all__ = ["REDUCTION_FACTOR", "SHORT_EPOCHS", "WHOLE_EPOCHS", "first_to_promote", "mo_asha"]

SHORT_EPOCHS, WHOLE_EPOCHS = 12, 200
"""Epochs of the two trainings that NAS-Bench-201 measured of each cell."""

REDUCTION_FACTOR = 4
"""One of so many cells of the lower rung is promoted; the default of ASHA in Ray Tune."""


def mo_asha(short: NDArray[np.float64], order: NDArray[np.intp], num_queries: int) -> list[int | None]:
    """Choose which cells are trained whole, by what their short trainings reached.

    A cell is trained whole when it is among the first of all short trainings so far, one in `REDUCTION_FACTOR`;
    otherwise the next cell of ``order`` is trained shortly. The whole training of the table is one of its own, with
    another schedule, and so begins anew.

    Args:
        short: Objectives of each cell after the short training, ``[N, M]``, higher is better; none is NaN.
        order: Rows of the cells in the order in which they are drawn.
        num_queries: Epochs to spend, in whole trainings.

    Returns:
        Row of the cell whose whole training ended within each whole training's worth of epochs; None if none did.
    """
    ended: list[int | None] = [None] * num_queries
    spent, begun = 0, 0
    promoted: set[int] = set()
    while True:
        rung = order[:begun]
        best = rung[first_to_promote(short[rung], begun // REDUCTION_FACTOR)]
        waiting = [row for row in best.tolist() if row not in promoted]
        spent += WHOLE_EPOCHS if waiting else SHORT_EPOCHS
        if spent > num_queries * WHOLE_EPOCHS or (not waiting and begun == len(order)):
            return ended
        if waiting:
            promoted.add(waiting[0])
            ended[-(-spent // WHOLE_EPOCHS) - 1] = waiting[0]
        else:
            begun += 1


def first_to_promote(objectives: ArrayLike, number: int) -> NDArray[np.intp]:
    """Choose points by fronts, and those of a front by how far they are from the ones before (an epsilon net).

    Args:
        objectives: Points of M objectives, ``[N, M]``, higher is better.
        number: Number of points to choose, at most N.

    Returns:
        Rows, ``[number]``: those of the first front, then those of the front of the rest, and so on.
    """
    points = np.asarray(objectives, dtype=np.float64)
    left = np.arange(len(points))
    chosen = left[:0]
    while len(chosen) < number:
        on_front = non_dominated(points[left])
        chosen = np.concatenate([chosen, _spread(points, left[on_front])])
        left = left[~on_front]
    return chosen[:number]


def _spread(points: NDArray[np.float64], rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Begin with the best of the first objective, and go on with the row that is farthest from all before."""
    extent = np.ptp(points, axis=0)
    of_front = points[rows] / np.where(extent > 0, extent, 1.0)
    chosen = [int(of_front[:, 0].argmax())]
    nearest = np.full(len(rows), np.inf)
    while len(chosen) < len(rows):
        nearest = np.minimum(nearest, np.linalg.norm(of_front - of_front[chosen[-1]], axis=1))
        nearest[chosen] = -1.0
        chosen.append(int(nearest.argmax()))
    return rows[chosen]
