"""Searches of `MPNASSearch` with costs and limits, on made-up trials."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mpnas_ray import get_space
from mpnas_ray.catalogue import make_predictor
from mpnas_ray.errors import SearcherStateError, SettingError
from mpnas_ray.predictors import CostPredictor
from mpnas_ray.spaces import Architectures
from searchers import MPNASSearch
from searchers.core.state import read_state, write_state
from searchers.model_based.objectives.hypervolume import hypervolume

SPACE = get_space("nasbench201")
PRICES = {"none": 0.0, "skip_connect": 0.1, "nor_conv_1x1": 1.0, "nor_conv_3x3": 4.0, "avg_pool_3x3": 0.5}
WORTHS = {"none": -1.0, "skip_connect": 0.3, "nor_conv_1x1": 0.6, "nor_conv_3x3": 0.8, "avg_pool_3x3": 0.0}


def total(text: str, of: Mapping[str, float]) -> float:
    return sum(value * text.count(name) for name, value in of.items())


def latency(archs: Architectures) -> NDArray[np.float64]:
    return np.array([1.0 + total(str(arch), PRICES) for arch in archs])


def results(text: str) -> dict[str, Any]:
    """Return what a trial of an architecture reports; quality and cost are at odds."""
    cost = float(latency(Architectures.of([text]))[0])
    return {"accuracy": total(text, WORTHS), "latency_ms": cost, "energy_mj": cost**2, "training_iteration": 1}


def make(**arguments: Any) -> MPNASSearch:
    given: dict[str, Any] = {
        "predictor": make_predictor("bayes-linear"),
        "cost_predictor": CostPredictor(),
        "seed": 0,
        "synchronous": True,
        "num_candidates": 200,
        "measures": "quality",
    }
    return MPNASSearch("nasbench201", "accuracy", "max", **given | arguments)


def run(searcher: MPNASSearch, num: int, report: Callable[[str], dict[str, Any]] = results) -> list[str]:
    """Run so many trials, one after the other, and return their architectures."""
    begin = len(searcher.observations)
    archs = []
    for number in range(begin, begin + num):
        config = searcher.suggest(f"trial-{number}")
        archs.append(config["arch"])
        searcher.on_trial_complete(f"trial-{number}", report(config["arch"]))
    assert searcher.num_failures == 0
    return archs


def volume(archs: list[str]) -> float:
    """Return the hypervolume of accuracy and latency, above -1 and below 26 ms."""
    found = [results(arch) for arch in archs]
    return hypervolume([[each["accuracy"], -each["latency_ms"]] for each in found], [-1.0, -26.0])


@pytest.mark.long
@pytest.mark.parametrize(
    "costs",
    [{"latency_ms": latency}, ["latency_ms"], {"latency_ms": latency, "energy_mj": None}],
    ids=["known", "measured", "known and measured"],
)
def test_the_front_grows_further_than_by_random_proposals(costs: Any) -> None:
    archs = run(make(costs=costs), 20)

    random = [[str(arch) for arch in SPACE.sample_many(20, np.random.default_rng(seed))] for seed in range(20)]
    assert volume(archs) > np.median([volume(each) for each in random])


@pytest.mark.long
@pytest.mark.parametrize(
    "costs",
    [["latency_ms"], {"latency_ms": latency}, ["latency_ms", "energy_mj"]],
    ids=["measured", "known", "two measured"],
)
def test_five_trials_a_restore_and_five_more_are_ten(costs: Any, tmp_path: Path) -> None:
    whole = run(make(costs=costs, limits={"latency_ms": 15}), 10)
    first = make(costs=costs, limits={"latency_ms": 15})
    begun = run(first, 5)
    first.save(str(tmp_path / "state"))
    again = make(costs=costs, limits={"latency_ms": 15})

    again.restore(str(tmp_path / "state"))

    assert begun + run(again, 5) == whole


def test_a_bare_searcher_learns_from_the_state_what_it_searches_for(tmp_path: Path) -> None:
    first = make(costs={"latency_ms": latency}, limits={"energy_mj": 90})
    run(first, 5)
    first.save(str(tmp_path / "state"))
    bare = MPNASSearch("nasbench201", predictor=make_predictor("bayes-linear"), cost_predictor=None)

    bare.restore(str(tmp_path / "state"))

    assert bare.observations == first.observations
    assert set(bare.observations.completed[0].costs) == {"latency_ms", "energy_mj"}
    assert len(run(bare, 5)) == 5, "the cost without its function is predicted from the results"
    bare.save(str(tmp_path / "other"))
    assert read_state(tmp_path / "other")[0]["own"]["costs"] == {
        "minimised": ["latency_ms"],
        "limits": {"energy_mj": 90.0},
    }


@pytest.mark.parametrize(
    "damage", [{"minimised": "latency_ms", "limits": {}}, {"minimised": ["a", "a"], "limits": {}}, {"minimised": []}]
)
def test_damaged_costs_of_a_state_are_refused(damage: dict[str, Any], tmp_path: Path) -> None:
    make(costs=["latency_ms"]).save(str(tmp_path / "state"))
    plain, arrays = read_state(tmp_path / "state")
    write_state(tmp_path / "state", {**plain, "own": {**plain["own"], "costs": damage}}, arrays)

    with pytest.raises(SearcherStateError):
        make().restore(str(tmp_path / "state"))


def test_without_costs_nothing_is_different() -> None:
    plain = MPNASSearch("nasbench201", "accuracy", "max", make_predictor("bayes-linear"), seed=0, synchronous=True)
    empty = MPNASSearch(
        "nasbench201", "accuracy", "max", make_predictor("bayes-linear"), seed=0, synchronous=True, costs=(), limits={}
    )

    assert run(plain, 12) == run(empty, 12)
    assert not any(record.costs for record in plain.observations.completed)


def test_a_limit_on_a_known_cost_is_never_exceeded() -> None:
    archs = run(make(costs={"latency_ms": latency}, limits={"latency_ms": 6}, constraint=few_pools), 12)

    assert all(results(arch)["latency_ms"] <= 6 and arch.count("avg_pool") <= 1 for arch in archs)


def few_pools(archs: Architectures) -> NDArray[np.bool_]:
    return np.array([str(arch).count("avg_pool") <= 1 for arch in archs])


def test_a_limit_on_a_measured_cost_is_kept_once_a_few_were_measured() -> None:
    archs = run(make(limits={"latency_ms": 8}), 20)

    kept = [results(arch)["latency_ms"] <= 8 for arch in archs[8:]]
    assert np.mean(kept) >= 0.9
    assert max(r["accuracy"] for r in map(results, archs) if r["latency_ms"] <= 8) > 2, "one in twenty random cells"


def test_a_limit_that_no_network_keeps_is_said_and_approached(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        searcher = make(limits={"latency_ms": 0.5})
        archs = run(searcher, 16)

    assert "No architecture is expected to keep the limits on costs; the nearest exceeds one by" in caplog.text
    assert any(event.get("least_excess", 0) > 0 for event in searcher.events)
    assert np.mean([results(arch)["latency_ms"] for arch in archs[8:]]) < 5, "the cheapest are nearest"


@pytest.mark.long
@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0, None, "slow"])
def test_a_value_that_is_no_cost_is_said_once_and_not_learned_from(
    bad: object, caplog: pytest.LogCaptureFixture
) -> None:
    def report(arch: str) -> dict[str, Any]:
        return results(arch) | ({"latency_ms": bad} if arch.count("avg_pool") else {})

    with caplog.at_level(logging.WARNING):
        searcher = make(costs=["latency_ms"])
        archs = run(searcher, 14, report)

    spoiled = [arch for arch in archs if arch.count("avg_pool")]
    assert spoiled, "some report it"
    assert caplog.text.count("which is no cost: it is not learned from") == 1
    learned = {record.arch for record in searcher.observations.completed if record.costs}
    assert learned == set(archs) - set(spoiled)


def test_a_cost_that_no_trial_reports_is_said_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        run(make(costs=["energy"]), 8)

    assert caplog.text.count("ended without a value of the cost energy, which is predicted in its place") == 1


def test_failed_trials_are_on_no_front() -> None:
    searcher = make(costs={"latency_ms": latency})
    for number in range(12):
        config = searcher.suggest(str(number))
        cheap = results(config["arch"])["latency_ms"] < 4
        searcher.on_trial_complete(str(number), None if cheap else results(config["arch"]), error=cheap)

    costs, failed = searcher.observations.costs_with_failures(["latency_ms"])
    assert len(costs) == 12
    assert np.isnan(costs[failed]).all()
    assert np.isfinite(costs[~failed]).all()
    assert searcher.num_failures == 0


def test_results_of_before_bring_their_costs() -> None:
    archs = [str(arch) for arch in SPACE.sample_many(4, np.random.default_rng(3))]
    searcher = make(costs=["latency_ms"], evaluated=[(arch, results(arch)) for arch in archs])

    run(searcher, 2)

    assert [record.costs["latency_ms"] for record in searcher.observations.completed[:4]] == [
        results(arch)["latency_ms"] for arch in archs
    ]


@pytest.mark.long
def test_costs_of_a_space_too_large_to_list() -> None:
    searcher = MPNASSearch(
        "mixed",
        "accuracy",
        "max",
        make_predictor("bayes-linear"),
        cost_predictor=CostPredictor(),
        seed=0,
        num_candidates=300,
        synchronous=True,
        costs=["edges"],
        measures="quality",
    )

    archs = run(searcher, 8, lambda arch: {"accuracy": float(arch.count("conv3")), "edges": float(len(arch))})

    assert len(set(archs)) == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"costs": "parameters"}, "a list of names"),
        ({"costs": ["parameters", "parameters"]}, "names 'parameters' twice"),
        ({"costs": [""]}, "must be a text"),
        ({"costs": 3}, "a list of names"),
        ({"costs": {"parameters": 3}}, "must be a function"),
        ({"costs": ["accuracy"]}, "is the metric of the search already"),
        ({"limits": {"accuracy": 1}}, "is the metric of the search already"),
        ({"limits": {"latency_ms": -1}}, "at least 0"),
        ({"limits": {"latency_ms": math.nan}}, "finite"),
        ({"limits": ["latency_ms"]}, "limits is a mapping"),
        ({"costs": ["parameters"], "prior_score": latency}, "takes no prior_score"),
        ({"costs": ["parameters"], "cost_predictor": make_predictor("bayes-linear")}, "predicted by a CostPredictor"),
    ],
)
def test_wrong_costs_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        make(**arguments)


def test_a_metric_that_tune_names_may_not_be_a_cost() -> None:
    searcher = MPNASSearch("nasbench201", predictor=make_predictor("bayes-linear"), costs=["latency_ms"])

    with pytest.raises(SettingError, match="is the metric of the search already"):
        searcher.set_search_properties("latency_ms", "min", {})


def test_a_function_that_gives_no_costs_is_a_failure_inside_the_searcher() -> None:
    searcher = make(costs={"parameters": lambda archs: -np.ones(len(archs))})
    for number in range(4):
        config = searcher.suggest(str(number))
        searcher.on_trial_complete(str(number), results(config["arch"]))

    assert searcher.num_failures > 0, "logged, and answered by the ranking before"
