"""Asynchronous successive halving for several objectives."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cluster.experiments.fronts.asha import REDUCTION_FACTOR, SHORT_EPOCHS, WHOLE_EPOCHS, first_to_promote, mo_asha


def test_fronts_come_one_after_the_other_and_each_is_spread() -> None:
    first = [(4, 0), (0, 4), (3, 1), (2, 2)]  # from best of the first objective: the other end, then the middle
    second = [(3, 0), (1, 2)]
    rows = first_to_promote([*second, *first], 6)
    assert [[*second, *first][row] for row in rows] == [(4, 0), (0, 4), (2, 2), (3, 1), (3, 0), (1, 2)]
    assert first_to_promote([*second, *first], 2).tolist() == rows[:2].tolist()
    assert len(first_to_promote([(1, 2)], 0)) == 0


def test_by_hand_one_in_four_is_trained_whole() -> None:
    short = np.array([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [4.0, 0.0], [9.0, 0.0], [5.0, 0.0]])
    # Four short trainings take 48 epochs, so the fourth cell's whole one ends at 248, within the second query.
    assert mo_asha(short, np.arange(6), 3) == [None, 3, 4]
    assert mo_asha(short, np.arange(6), 2) == [None, 3]
    assert mo_asha(short, np.arange(6), 1) == [None]


@given(st.integers(0, 1000), st.integers(1, 30), st.integers(1, 60))
def test_epochs_are_never_overspent_and_no_cell_is_trained_twice(seed: int, num_queries: int, num_cells: int) -> None:
    rng = np.random.default_rng(seed)
    short = rng.integers(0, 6, size=(num_cells, 2)).astype(float)
    ended = mo_asha(short, rng.permutation(num_cells), num_queries)
    whole = [row for row in ended if row is not None]
    assert len(ended) == num_queries
    assert len(whole) == len(set(whole))
    if whole:
        assert len(whole) * WHOLE_EPOCHS + REDUCTION_FACTOR * SHORT_EPOCHS <= num_queries * WHOLE_EPOCHS
    if num_cells < REDUCTION_FACTOR:
        assert not whole
