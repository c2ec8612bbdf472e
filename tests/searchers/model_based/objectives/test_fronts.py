"""Fronts, hypervolumes and expected improvements, by values computed by hand, by drawing, and by what they promise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mpnas_ray.errors import SettingError
from searchers.model_based.objectives.choosing import Belief, best_for_front
from searchers.model_based.objectives.directions import Scale, even_weights, losses, promise
from searchers.model_based.objectives.expected_improvement import (
    Steps,
    expected_chebyshev_improvement,
    expected_hypervolume_improvement,
)
from searchers.model_based.objectives.front import front_rows, non_dominated
from searchers.model_based.objectives.hypervolume import hypervolume

Floats = NDArray[np.float64]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def points(num_objectives: int, most: int = 8) -> st.SearchStrategy[Floats]:
    """Draw some points on a coarse grid, so that many are equal in an objective."""
    point = st.tuples(*[st.integers(0, 5)] * num_objectives)
    return st.lists(point, min_size=1, max_size=most).map(lambda drawn: np.array(drawn, dtype=np.float64))


def by_counting(objectives: Floats, reference: float) -> float:
    """Count the unit cells above the reference that some point covers."""
    gains = (objectives - reference).astype(int)
    cells = np.indices((8,) * objectives.shape[1]).reshape(objectives.shape[1], -1).T
    return float((gains[:, None, :] > cells[None]).all(axis=2).any(axis=0).sum())


@given(points(3))
def test_the_front_is_what_no_point_dominates(objectives: Floats) -> None:
    better = (objectives[:, None] >= objectives[None]).all(axis=2) & (objectives[:, None] > objectives[None]).any(
        axis=2
    )
    np.testing.assert_array_equal(non_dominated(objectives), ~better.any(axis=0))


@given(points(2))
def test_only_the_order_in_each_objective_decides_the_front(objectives: Floats) -> None:
    warped = np.column_stack([np.exp(objectives[:, 0]), 3 * objectives[:, 1] ** 3 - 7])
    np.testing.assert_array_equal(front_rows(warped), front_rows(objectives))


def test_of_equal_points_the_front_has_the_first_and_points_without_a_value_are_on_none() -> None:
    objectives = [[1.0, 2.0], [3.0, 1.0], [1.0, 2.0], [np.nan, 9.0], [0.0, 2.0]]

    assert non_dominated(objectives).tolist() == [True, True, True, False, False]
    assert front_rows(objectives).tolist() == [1, 0]
    assert front_rows(np.empty((0, 2))).tolist() == []


def test_hypervolumes_by_hand() -> None:
    assert hypervolume([[3.0, 1.0], [2.0, 2.0], [1.0, 3.0]], [0.0, 0.0]) == 6.0
    assert hypervolume([[3.0, 1.0], [2.0, 1.0], [4.0, -1.0]], [0.0, 0.0]) == 3.0
    assert hypervolume([[2.0, 2.0, 2.0], [3.0, 1.0, 1.0]], [0.0, 0.0, 0.0]) == 9.0
    assert hypervolume([[5.0], [7.0]], [4.0]) == 3.0
    assert hypervolume(np.empty((0, 2)), [0.0, 0.0]) == 0.0


@pytest.mark.parametrize("num_objectives", [1, 2, 3, 4])
def test_hypervolume_counts_the_cells_that_are_covered(num_objectives: int) -> None:
    @given(points(num_objectives), st.integers(-1, 2))
    def check(objectives: Floats, reference: int) -> None:
        volume = hypervolume(objectives, np.full(num_objectives, reference))
        assert volume == pytest.approx(by_counting(objectives, reference))

    check()


@pytest.mark.parametrize(
    ("objectives", "reference"),
    [([[1.0, 2.0]], [0.0]), ([1.0, 2.0], [0.0, 0.0]), ([[np.nan, 1.0]], [0.0, 0.0]), ([[1.0]], [np.inf])],
)
def test_hypervolume_refuses_what_has_none(objectives: list[float], reference: list[float]) -> None:
    with pytest.raises(SettingError, match="hypervolume"):
        hypervolume(objectives, reference)


def hypervolume_with(front: Floats, quality: float, cost: float) -> float:
    """Return the hypervolume of a front of (quality, -cost) with one point more, against (0, cost 10)."""
    return hypervolume(np.vstack([front, [quality, -cost]]), [0.0, -10.0])


FRONT = np.array([[8.0, -7.0], [5.0, -4.0], [2.0, -1.0]])
STEPS = Steps.of(FRONT[:, 0], -FRONT[:, 1], (0.0, 10.0))


def test_expected_hypervolume_improvement_agrees_with_draws(rng: np.random.Generator) -> None:
    mean, std, costs = np.array([6.0, 9.0, 1.0, 5.5]), np.array([1.5, 0.5, 2.0, 3.0]), np.array([3.0, 8.0, 0.5, 6.0])

    expected = expected_hypervolume_improvement(mean, std, costs, STEPS)

    before = hypervolume(FRONT, [0.0, -10.0])
    for row, value in enumerate(expected):
        draws = rng.normal(mean[row], std[row], 1_000)
        gains = [hypervolume_with(FRONT, quality, costs[row]) - before for quality in draws]
        assert value == pytest.approx(np.mean(gains), abs=4 * np.std(gains) / np.sqrt(len(gains)))


@given(st.floats(0, 10), st.floats(0, 11))
def test_without_doubt_it_is_the_improvement_and_nothing_for_a_dominated_network(quality: float, cost: float) -> None:
    found = expected_hypervolume_improvement(np.array([quality]), np.zeros(1), np.array([cost]), STEPS)[0]

    gain = hypervolume_with(FRONT, quality, cost) - hypervolume(FRONT, [0.0, -10.0])
    assert found == pytest.approx(gain, abs=1e-9)
    if (([quality, -cost] <= FRONT).all(axis=1) & ([quality, -cost] < FRONT).any(axis=1)).any():
        assert found == pytest.approx(0.0, abs=1e-9)


@given(points(2), st.floats(0.1, 100), st.floats(-50, 50))
def test_units_of_quality_and_cost_change_no_order(found: Floats, factor: float, shift: float) -> None:
    mean, std, costs = np.linspace(0, 6, 7), np.linspace(0.2, 1, 7), np.linspace(5, 0, 7)
    plain = expected_hypervolume_improvement(mean, std, costs, Steps.of(found[:, 0], found[:, 1], (-1.0, 6.0)))

    other = expected_hypervolume_improvement(
        factor * mean + shift,
        factor * std,
        factor * costs + shift,
        Steps.of(factor * found[:, 0] + shift, factor * found[:, 1] + shift, (-factor + shift, 6 * factor + shift)),
    )

    np.testing.assert_allclose(other, factor**2 * plain, rtol=1e-6, atol=1e-6 * factor**2)


def test_steps_refuse_points_without_a_value() -> None:
    with pytest.raises(SettingError, match="finite"):
        Steps.of([1.0, np.nan], [1.0, 2.0], (0.0, 3.0))
    with pytest.raises(SettingError, match="one quality and one cost"):
        Steps.of([1.0], [1.0, 2.0], (0.0, 3.0))


def test_expected_chebyshev_improvement_agrees_with_draws(rng: np.random.Generator) -> None:
    mean, std, of_costs = np.array([0.4, 0.9, 0.2]), np.array([0.3, 0.1, 0.5]), np.array([0.1, 0.25, 0.5])

    expected = expected_chebyshev_improvement(mean, std, of_costs, 0.6, 0.35)

    quality = rng.normal(mean, std, (100_000, 3))
    gains = np.maximum(0.35 - np.maximum(0.6 * (1 - quality), of_costs), 0)
    np.testing.assert_allclose(expected, gains.mean(axis=0), atol=1e-3)
    assert expected[2] == 0, "its costs alone are worse than the incumbent"


@given(points(3))
def test_some_direction_leads_to_each_best_value(objectives: Floats) -> None:
    scale, weights = Scale.of(objectives), even_weights(3, np.random.default_rng(0))
    scaled = scale(objectives)
    lowest = np.array([losses(scaled, weight).min() for weight in weights])

    promised = promise(scaled, weights, lowest)

    assert promised.max() == 0, "the best in a direction"
    assert (scaled[non_dominated(objectives)] >= -1e-9).all()
    assert (scaled <= 1 + 1e-9).all()


def choose(candidates: Belief, found: Belief, chance: Floats | None = None) -> tuple[list[int], Floats]:
    """Choose with the candidates themselves as what could be found."""
    chance = np.ones(len(candidates)) if chance is None else chance
    chosen, value = best_for_front(candidates, found, candidates.objectives, chance, np.random.default_rng(0))
    return chosen.tolist(), value


def belief(mean: list[float], costs: list[list[float]], std: float = 0.0) -> Belief:
    return Belief(np.array(mean), np.full(len(mean), std), np.array(costs, dtype=np.float64).reshape(len(mean), -1))


NOTHING: Callable[[int], Belief] = lambda costs: Belief(np.empty(0), np.empty(0), np.empty((0, costs)))  # noqa: E731


def test_a_batch_covers_the_front_rather_than_its_middle() -> None:
    candidates = belief([1, 2, 3, 2.9, 2.95, 0.5], [[1], [2], [3], [3], [3], [3]])

    chosen, value = choose(candidates, NOTHING(1))

    assert set(chosen[:3]) == {0, 1, 2}, "the others add nothing once these are there"
    assert value[5] < value.max()


def test_a_network_that_hardly_keeps_the_limits_is_hardly_worth_a_trial() -> None:
    candidates = belief([3, 2.95], [[1], [1]])

    assert choose(candidates, NOTHING(1))[0][0] == 0
    assert choose(candidates, NOTHING(1), np.array([1e-3, 1.0]))[0][0] == 1


def test_without_costs_it_is_the_expected_improvement_over_the_best_that_keeps_the_limits() -> None:
    chosen, value = choose(belief([1, 3, 2], [[], [], []], std=0.1), belief([2.0], [[]]))

    assert chosen[0] == 1
    assert value[0] < value[2] < value[1]


def test_more_costs_are_weighed_at_random() -> None:
    candidates = belief([3, 1, 1, 2, 0], [[3, 3], [1, 3], [3, 1], [2, 2], [3, 3]], std=0.01)

    chosen, value = choose(candidates, NOTHING(2))

    assert sorted(chosen) == [0, 1, 2, 3, 4]
    assert chosen.index(4) > 1, "it is dominated"
    assert (value >= 0).all()
