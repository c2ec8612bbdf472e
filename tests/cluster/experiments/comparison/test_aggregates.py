"""Figures over all columns: by hand, what must not change them, and how sure their intervals say they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from cluster.experiments.comparison.presets import Column
from cluster.experiments.comparison.report.formatting import between
from cluster.experiments.comparison.report.overall_page import overall_tables
from cluster.experiments.comparison.summary.aggregates import (
    capped,
    column_ratios,
    geometric_mean,
    mean,
    profile,
    ratios_to_best_rival,
    worst_ratio,
)
from cluster.experiments.comparison.summary.measures import Scale
from cluster.experiments.comparison.summary.overall import Overall, overall_of
from cluster.experiments.comparison.summary.summaries import Comparison, Curve, Ground, Summary
from mpnas_ray.stats import Interval, column_means, two_stage_intervals

NAN, INF = np.nan, np.inf
Array = NDArray[np.float64]

QUERIES = np.array([[[1.0, 4.0], [10.0, INF]], [[4.0, 4.0], [10.0, 40.0]]])
"""Of two searchers on two columns with two seeds."""


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_by_hand() -> None:
    logarithms = column_means(np.log(capped(QUERIES, budget=50)))
    np.testing.assert_allclose(np.exp(logarithms), [[2, 1000**0.5], [4, 20]])
    np.testing.assert_allclose(geometric_mean(logarithms), [4000**0.25, 6400**0.25])
    np.testing.assert_allclose(worst_ratio(np.exp(logarithms)), [1000**0.5 / 20, 2])
    shares = profile(np.exp(logarithms), np.array([1.0, 1.5, 2.0]))
    np.testing.assert_array_equal(shares, [[0.5, 0.5, 1], [0.5, 0.5, 1]])
    np.testing.assert_array_equal(mean(np.array([[1.0, 2.0], [0.0, 5.0]])), [1.5, 2.5])


def test_who_never_gets_there_is_within_no_factor() -> None:
    """Also where none gets there, and as one among columns."""
    found = np.array([[100.0, 100.0, 5.0], [100.0, 60.0, 10.0]])
    np.testing.assert_allclose(profile(found, np.array([1.0, 2.0]), failed=100.0), [[1 / 3, 1 / 3], [1 / 3, 2 / 3]])
    always = [summary(name, column, [INF, INF], [9.0, 9.0]) for name in ("tpe", "random") for column in COLUMNS]
    (overall,) = overall_of(results_of(*always))
    for standing in overall.standings:
        assert standing.profiles["top 1 %"][4.0] == Interval(0, 0, 0)
        assert standing.worst["top 1 %"].ratio.value == 1


def test_ratios_with_nothing_left_to_find() -> None:
    np.testing.assert_array_equal(
        column_ratios(np.array([0.0, 2.0, 0.0, 3.0]), np.array([0.0, 0.0, 2.0, 2.0])), [1, INF, 0, 1.5]
    )
    regrets = np.array([[0.0, 2.0], [0.0, 1.0], [3.0, 4.0]])
    np.testing.assert_array_equal(ratios_to_best_rival(regrets), [[1, 2], [1, 0.5], [INF, 4]])
    np.testing.assert_array_equal(profile(regrets, np.array([1.0, 2.0])), [[0.5, 1], [1, 1], [0, 0]])


def test_an_infinite_ratio_has_an_interval() -> None:
    regrets = np.array([[[1.0], [2.0]], [[0.0], [1.0]]])
    value, low, high = two_stage_intervals(regrets, worst_ratio, rng())
    np.testing.assert_array_equal([value, low, high], [[INF, 0.5], [2, 0], [INF, 0.5]])


# From the figures of a comparison.

COLUMNS = tuple(Column.of(f"transnasbench101/{name}") for name in ("scene", "object", "room"))


def summary(name: str, column: Column, queries: list[float], regrets: list[float]) -> Summary:
    flat, nothing = np.zeros(50), Interval(0, 0, 0)
    return Summary(
        method=name,
        searched=column.searched,
        seeds=len(queries),
        queries={goal: tuple(queries) for goal in ("top 1 %", "top 0.1 %", "optimum")},
        regrets={20: tuple(regrets), 50: tuple(regrets)},
        regret={20: nothing, 50: nothing},
        units_of_regret={20: nothing, 50: nothing},
        found=nothing,
        curve=Curve(flat, flat, flat, flat),
        seconds=1.0,
        failures=0,
    )


def results_of(*every: Summary, columns: tuple[Column, ...] = COLUMNS) -> Comparison:
    scale = Scale(10.0, 6.0, 0.0, {})
    return Comparison(tuple(Ground(column, scale, "%", 1.0) for column in columns), every, 50)


def runs(name: str, seeds: int, number: int, times: float = 1.0) -> list[Summary]:
    draws = np.random.default_rng(number)
    return [
        summary(name, column, list(times * draws.integers(1, 50, seeds)), list(times * draws.uniform(1, 9, seeds)))
        for column in COLUMNS
    ]


def values_of(overall: Overall) -> list[float]:
    """All figures of a group, without intervals."""
    of_standings = [
        [
            *one.queries.values(),
            *one.regret.values(),
            *(worst.ratio for worst in one.worst.values()),
            *(share for shares in one.profiles.values() for share in shares.values()),
        ]
        for one in overall.standings
    ]
    of_pairs = [[*pair.ratios.values(), *pair.differences.values()] for pair in overall.pairs]
    return [interval.value for intervals in of_standings + of_pairs for interval in intervals]


def test_the_order_of_columns_and_seeds_changes_no_figure() -> None:
    every = [*runs("mpnas", 3, 1), *runs("tpe", 6, 2), *runs("random", 6, 3)]
    (first,) = overall_of(results_of(*every))
    turned = [
        replace(
            one,
            queries={goal: found[::-1] for goal, found in one.queries.items()},
            regrets={moment: found[::-1] for moment, found in one.regrets.items()},
        )
        for one in every
    ]
    (again,) = overall_of(results_of(*turned, columns=COLUMNS[::-1]))
    assert values_of(again) == pytest.approx(values_of(first))
    for one, other in zip(first.standings, again.standings, strict=True):
        assert other.queries["top 1 %"].low == pytest.approx(one.queries["top 1 %"].low, rel=0.15), "but for chance"


def test_a_rival_behind_all_others_changes_nothing_of_theirs() -> None:
    every = [*runs("mpnas", 4, 1), *runs("tpe", 4, 2)]
    (without,) = overall_of(results_of(*every))
    (beside,) = overall_of(results_of(*every, *runs("random", 4, 1, times=100)))
    assert beside.standings[:2] == without.standings
    assert beside.pairs[0] == without.pairs[0]
    assert beside.standings[2].worst["top 1 %"].ratio.value >= 100


def test_regrets_ten_times_as_large_are_ten_times_as_large() -> None:
    every = [*runs("mpnas", 3, 1), *runs("tpe", 3, 2)]
    larger = [
        replace(one, regrets={moment: tuple(10 * regret for regret in found) for moment, found in one.regrets.items()})
        for one in every
    ]
    (before,), (after,) = overall_of(results_of(*every)), overall_of(results_of(*larger))
    for small, large in zip(before.standings, after.standings, strict=True):
        for moment in (20, 50):
            one, other = small.regret[moment], large.regret[moment]
            assert (other.value, other.low, other.high) == pytest.approx((10 * one.value, 10 * one.low, 10 * one.high))
        ratios = [standing.worst["regret at 50"] for standing in (small, large)]
        assert ratios[1].ratio.value == pytest.approx(ratios[0].ratio.value)
        assert ratios[1].column == ratios[0].column
        assert large.queries == small.queries
    assert after.pairs[0].differences[20].high == pytest.approx(10 * before.pairs[0].differences[20].high)


def test_who_has_no_seed_is_paired_with_every_seed() -> None:
    always = [summary("mean-rank", column, [8.0], [2.0]) for column in COLUMNS]
    ours = [summary("mpnas", column, [4.0, 4.0, 4.0], [1.0, 1.0, 1.0]) for column in COLUMNS]
    (overall,) = overall_of(results_of(*ours, *always))
    (pair,) = overall.pairs
    assert pair.ratios["top 1 %"] == Interval(*[pytest.approx(0.5)] * 3)
    assert pair.differences[50] == Interval(-1.0, -1.0, -1.0)
    assert overall.standings[1].queries["top 1 %"].value == pytest.approx(8)


def test_groups_of_columns_and_searchers() -> None:
    cifar, blind = Column.of("nasbench201/cifar10"), Column.of("nasbench201/fpga-latency")
    columns = (cifar, COLUMNS[0], blind)
    every = [summary(name, column, [5.0], [1.0]) for name in ("mpnas", "tpe", "nearest-task") for column in columns]
    every += [summary("mean-rank", COLUMNS[0], [5.0], [1.0])]
    every += [summary(name, cifar, [INF], [1.0]) for name in ("mpnas, far", "nearest-task, far")]
    all_columns, of_blind, far = overall_of(results_of(*every, columns=columns))
    assert all_columns.columns == ("nasbench201/cifar10", "transnasbench101/scene"), "nothing is decided by blind ones"
    assert [one.method for one in all_columns.standings] == ["mpnas", "tpe", "nearest-task"]
    assert [(pair.rival, pair.num_columns) for pair in all_columns.pairs] == [
        ("tpe", 2), ("mean-rank", 1), ("nearest-task", 2),
    ]  # fmt: skip
    assert of_blind.columns == ("nasbench201/fpga-latency",)
    assert [one.method for one in far.standings] == ["mpnas, far", "tpe", "nearest-task, far"]
    assert {pair.method for pair in far.pairs} == {"mpnas, far"}
    assert far.standings[0].queries["top 1 %"].value == pytest.approx(100), "twice the budget"


def test_one_searcher_alone_has_neither_rivals_nor_pairs() -> None:
    (overall,) = overall_of(results_of(*runs("random", 2, 1)))
    assert overall.pairs == ()
    assert overall.standings[0].worst == {}
    assert "Worst ratio" not in overall_tables(overall)


def test_tables_show_the_figures() -> None:
    every = [summary("mpnas", column, [4.0, 9.0], [0.0, 0.0]) for column in COLUMNS]
    every += [summary("tpe", column, [24.0, 24.0], [0.0, 5.0]) for column in COLUMNS]
    (overall,) = overall_of(results_of(*every))
    text = overall_tables(overall)
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    (first, ratios, shares, _) = [line for line in lines if line[0] == "mpnas"]
    queries = overall.standings[0].queries["top 0.1 %"]
    assert first[1] == f"**6.00 [{queries.low:.2f}, {queries.high:.2f}]**"
    assert first[3] == "**0.00**"
    assert ratios[1].startswith("**0.25 [")
    assert ratios[1].endswith("] scene**")
    assert shares[1] == "**100**"
    pair = next(line for line in lines if line[:2] == ["tpe", "3"])
    assert pair[2].startswith("0.25 [")
    assert pair[4].startswith("-2.50 [-")
    assert between(Interval(INF, 1.0, INF)) == "∞ [1.00, ∞]"
