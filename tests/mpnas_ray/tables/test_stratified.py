from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from mpnas_ray.spaces import KINDS, SPACE_NAMES, get_space
from mpnas_ray.spaces.operations import INPUT, SKIP
from mpnas_ray.tables import TableError
from mpnas_ray.tables.stratified import draw_stratified


@pytest.mark.parametrize("space", SPACE_NAMES)
def test_no_isomorphic_cells_and_a_shorter_draw_is_the_beginning_of_a_longer(space: str) -> None:
    drawn = draw_stratified(get_space(space), 60, seed=3)
    assert len(set(drawn.canonical_keys().tolist())) == 60
    np.testing.assert_array_equal(draw_stratified(get_space(space), 25, seed=3).codes, drawn.codes[:25])
    assert (draw_stratified(get_space(space), 25, seed=4).codes != drawn.codes[:25]).any()


def test_families_depths_and_operations_of_the_mixed_space_come_equally_often() -> None:
    drawn = draw_stratified(get_space("mixed"), 150)
    assert Counter(drawn.codes[:, 0].tolist()) == {0: 50, 1: 50, 2: 50}
    graphs = drawn.graphs()
    working = (graphs.kinds >= 0) & (graphs.kinds < INPUT) & (graphs.kinds != SKIP)
    counts = np.bincount(graphs.kinds[working], minlength=len(KINDS))[[k for k in range(INPUT) if k != SKIP]]
    assert counts.min() > 0.8 * counts.max()
    alive = Counter(zip(drawn.codes[:, 0].tolist(), (working & graphs.live()).sum(axis=1).tolist(), strict=True))
    of_graphs = [alive[0, number] for number in (2, 3, 4, 5)]  # a uniform draw has hardly any of less than 4
    assert max(of_graphs) - min(of_graphs) <= 2


@pytest.mark.long
def test_a_space_that_is_used_up_says_so() -> None:
    with pytest.raises(TableError, match="hardly more than"):
        draw_stratified(get_space("transnasbench101"), 3_500)
