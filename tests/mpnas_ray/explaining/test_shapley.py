"""Shapley values: the axioms that define them, and values computed by hand."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mpnas_ray.explaining.shapley import game_of_grid, shapley_values

Floats = NDArray[np.float64]


@st.composite
def grids(draw: st.DrawFn) -> tuple[Floats, tuple[int, ...]]:
    """A function of one to four slots with two to four values each, and the values that a cell holds."""
    sizes = draw(st.lists(st.integers(2, 4), min_size=1, max_size=4))
    numbers = st.floats(-100, 100, allow_subnormal=False)
    count = int(np.prod(sizes))
    grid = np.array(draw(st.lists(numbers, min_size=count, max_size=count))).reshape(sizes)
    return grid, tuple(draw(st.integers(0, size - 1)) for size in sizes)


def by_orders(game: Floats) -> Floats:
    """Shapley values by their first definition: mean gains over all orders of joining."""
    values = np.zeros(game.ndim)
    orders = list(permutations(range(game.ndim)))
    for order in orders:
        inside = [0] * game.ndim
        for slot in order:
            before = game[tuple(inside)]
            inside[slot] = 1
            values[slot] += game[tuple(inside)] - before
    return values / len(orders)


@settings(max_examples=60, deadline=None)
@given(grids())
def test_worths_are_means_over_the_slots_outside(drawn: tuple[Floats, tuple[int, ...]]) -> None:
    grid, held = drawn
    game = game_of_grid(grid, held)
    assert game.shape == (2,) * grid.ndim
    for inside in np.ndindex(game.shape):
        cells = grid[tuple(value if there else slice(None) for value, there in zip(held, inside, strict=True))]
        assert game[inside] == pytest.approx(np.mean(cells), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(grids())
def test_values_sum_to_the_prediction_and_equal_the_mean_gain_over_all_orders(
    drawn: tuple[Floats, tuple[int, ...]],
) -> None:
    grid, held = drawn
    game = game_of_grid(grid, held)
    values = shapley_values(game)
    assert values.sum() == pytest.approx(grid[held] - grid.mean(), abs=1e-9)
    np.testing.assert_allclose(values, by_orders(game), atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(grids(), st.integers(0, 4), st.integers(2, 4))
def test_a_slot_without_influence_has_no_value_and_changes_no_other(
    drawn: tuple[Floats, tuple[int, ...]], axis: int, size: int
) -> None:
    grid, held = drawn
    axis = min(axis, grid.ndim)
    wider = np.repeat(np.expand_dims(grid, axis), size, axis=axis)
    values = shapley_values(game_of_grid(wider, (*held[:axis], 0, *held[axis:])))
    assert values[axis] == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(np.delete(values, axis), shapley_values(game_of_grid(grid, held)), atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(grids())
def test_slots_that_may_be_exchanged_have_equal_values(drawn: tuple[Floats, tuple[int, ...]]) -> None:
    grid, held = drawn
    product = np.multiply.outer(grid, grid)  # the slots of the first and of the second factor are alike
    values = shapley_values(game_of_grid(product, held + held))
    first, second = values[: grid.ndim], values[grid.ndim :]
    np.testing.assert_allclose(first, second, atol=1e-6)


def test_values_by_hand() -> None:
    """v of nothing is 0, of either 1 and 3, of both 10: the gain of 6 from being together is shared."""
    game = np.array([[0.0, 3.0], [1.0, 10.0]])
    np.testing.assert_allclose(shapley_values(game), [4.0, 6.0])


def test_an_additive_function_gives_each_operation_minus_the_mean() -> None:
    own = [np.array([1.0, 2.0, 6.0]), np.array([0.0, 4.0])]
    grid = own[0][:, None] + own[1]
    np.testing.assert_allclose(shapley_values(game_of_grid(grid, (2, 0))), [6.0 - 3.0, 0.0 - 2.0])


def test_many_games_at_once() -> None:
    games = np.random.default_rng(0).normal(size=(2, 2, 2, 5))
    together = shapley_values(games, 3)
    for place in range(5):
        np.testing.assert_allclose(together[:, place], shapley_values(games[..., place]))


def test_a_cell_without_slots_has_no_values() -> None:
    assert shapley_values(np.array(3.0)).shape == (0,)
