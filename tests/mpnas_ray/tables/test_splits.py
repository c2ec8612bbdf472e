from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from numpy.random import Generator
from numpy.typing import NDArray

from mpnas_ray.spaces import get_space
from mpnas_ray.tables import TableError, TableTask, split_by_class, split_random

Split = Callable[[TableTask, int, Generator], tuple[NDArray[np.int64], NDArray[np.int64]]]
both = pytest.mark.parametrize("split", [split_random, split_by_class])


def num_shared_classes(task: TableTask, first: NDArray[np.int64], rest: NDArray[np.int64]) -> int:
    return len(np.intersect1d(task.canonical_keys[first], task.canonical_keys[rest]))


@both
@pytest.mark.parametrize("num_first", [0, 1, 17, 150, 299, 300])
def test_both_parts_together_are_all_of_it(small_task: TableTask, split: Split, num_first: int) -> None:
    for seed in range(20):
        first, rest = split(small_task, num_first, np.random.default_rng(seed))

        np.testing.assert_array_equal(np.sort(np.concatenate([first, rest])), np.arange(300))
        assert len(first) == num_first or (split is split_by_class and len(first) < num_first)


@both
def test_a_split_follows_from_its_generator(small_task: TableTask, split: Split) -> None:
    once, again, other = (split(small_task, 50, np.random.default_rng(seed))[0] for seed in (1, 1, 2))

    np.testing.assert_array_equal(once, again)
    assert set(once) != set(other)


@both
def test_the_first_ones_are_in_random_order(small_task: TableTask, split: Split) -> None:
    first, rest = split(small_task, 150, np.random.default_rng(0))

    assert (np.diff(first) < 0).any()
    assert (np.diff(rest) < 0).any()


@both
@pytest.mark.parametrize("num_first", [-1, 301])
def test_a_task_cannot_give_more_than_it_has(small_task: TableTask, split: Split, num_first: int) -> None:
    with pytest.raises(TableError, match="it has 300"):
        split(small_task, num_first, np.random.default_rng(0))


def test_isomorphic_cells_stay_together(small_task: TableTask) -> None:
    for seed in range(50):
        rng = np.random.default_rng(seed)
        first, rest = split_by_class(small_task, int(rng.integers(301)), rng)

        assert num_shared_classes(small_task, first, rest) == 0


def test_a_class_that_is_too_large_goes_to_the_second_part() -> None:
    space = get_space("nasbench201")
    disconnected = [f"|none~0|+|none~0|{op}~1|+|none~0|none~1|none~2|" for op in space.operations]
    other = "|nor_conv_3x3~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"
    archs = type(space.enumerate()).of([*disconnected, other], space)
    task = TableTask("nasbench201/made-up", archs, np.arange(6.0), "score", "max")

    for seed in range(10):
        first, _ = split_by_class(task, 3, np.random.default_rng(seed))

        assert list(first) == [5]


@pytest.mark.data
def test_the_sizes_of_the_paper_come_out_exactly_also_by_class(tasks: Mapping[str, TableTask]) -> None:
    task = tasks["nasbench201/cifar10"]
    for seed in range(5):
        first, rest = split_by_class(task, 7_812, np.random.default_rng(seed))

        assert (len(first), len(rest)) == (7_812, 7_813)
        assert num_shared_classes(task, first, rest) == 0


@pytest.mark.data
def test_a_random_split_does_put_isomorphic_cells_on_both_sides(tasks: Mapping[str, TableTask]) -> None:
    task = tasks["nasbench201/cifar10"]

    assert num_shared_classes(task, *split_random(task, 7_812, np.random.default_rng(0))) > 500
