"""A value means the same wherever it comes in, and the order of calls does not matter."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ray import tune

from mpnas_ray.errors import SearcherStateError, SearchSpaceError
from mpnas_ray.metric_values import find_metric, metric_value, numbers_in
from mpnas_ray.predictors import GCNConfig, GCNPredictor
from mpnas_ray.spaces import get_space
from searchers import ArchitectureSearcher, MPNASSearch, RandomSearch, RegularizedEvolution, TPESearch
from searchers.core.json_values import from_plain, to_plain
from searchers.core.state import read_state, write_state

SPACE = "transnasbench101"
ARCHS = [str(arch) for arch in get_space(SPACE).sample_many(12, np.random.default_rng(0))]


def shown(value: Any) -> str:
    """A name for a test, the same in every process."""
    return f"{type(value).__name__} {getattr(value, 'domain_str', value)}"[:40].partition(" at 0x")[0]


NUMBERS: list[tuple[Any, float]] = [
    (0.5, 0.5),
    (3, 3.0),
    (True, 1.0),
    ("0.25", 0.25),
    (" 1e-3 ", 0.001),
    (np.float32(0.5), 0.5),
    (np.int64(7), 7.0),
    (np.bool_(False), 0.0),
    (np.array(0.5), 0.5),
    (np.array([0.5]), 0.5),
    (torch.tensor(0.5), 0.5),
    (torch.tensor([2.0], requires_grad=True), 2.0),
    (Decimal("0.5"), 0.5),
    (Fraction(1, 2), 0.5),
    (-math.inf, -math.inf),
    (10**400, math.inf),
    (-(10**400), -math.inf),
]
NO_NUMBERS: list[Any] = [
    None,
    "broken",
    "",
    "1_000",
    "²",
    [],
    {},
    np.array([1.0, 2.0]),
    torch.ones(2),
    1j,
    object(),
    math.nan,
    "nan",
]


@pytest.mark.parametrize(("value", "number"), NUMBERS, ids=shown)
def test_numbers_of_any_type_are_read(value: Any, number: float) -> None:
    assert metric_value(value) == number


@pytest.mark.parametrize("value", NO_NUMBERS, ids=shown)
def test_everything_else_is_nan(value: Any) -> None:
    assert math.isnan(metric_value(value))


def test_metrics_are_found_flat_and_nested() -> None:
    nested = {"eval": {"acc": 0.9, "by/class": {"a": 1}}, "loss": True, "name": "x", "bad": math.nan}
    assert find_metric(nested, "eval/acc") == find_metric({"eval/acc": 0.9}, "eval/acc") == 0.9
    assert find_metric(nested, "eval/by/class/a") == 1
    assert find_metric(nested, "eval/none") is None
    assert find_metric(nested, "loss/acc") is None
    assert [name for name, _ in numbers_in(nested)] == ["eval/acc", "eval/by/class/a", "loss", "bad"]


def entrances(value: Any, metric: str = "score") -> dict[str, ArchitectureSearcher]:
    """Searchers that were told of one architecture's value, by all ways there are."""
    inner: Any = value
    for key in reversed(metric.split("/")):
        inner = {key: inner}
    arguments: dict[str, Any] = {"metric": metric, "mode": "max", "seed": 0}
    live, ended, added = (RandomSearch(SPACE, points_to_evaluate=ARCHS[:1], **arguments) for _ in range(3))
    live.suggest("a")
    live.on_trial_result("a", {**inner, "training_iteration": 1})
    live.on_trial_complete("a")
    ended.suggest("a")
    ended.on_trial_complete("a", result=inner)
    added.add_evaluated_point({"arch": ARCHS[0]}, value)
    return {
        "live": live,
        "ended": ended,
        "added": added,
        "pairs": RandomSearch(SPACE, evaluated=[(ARCHS[0], value)], **arguments),
        "metrics": RandomSearch(SPACE, evaluated=[(ARCHS[0], inner)], **arguments),
        "mapping": RandomSearch(SPACE, evaluated={ARCHS[0]: value}, **arguments),
        "rewards": RandomSearch(SPACE, points_to_evaluate=ARCHS[:1], evaluated_rewards=[value], **arguments),
    }


@pytest.mark.parametrize("value", [value for value, _ in NUMBERS] + NO_NUMBERS, ids=shown)
@pytest.mark.parametrize("metric", ["score", "eval/acc"])
def test_a_value_means_the_same_at_every_entrance(value: Any, metric: str, tmp_path: Path) -> None:
    found = entrances(value, metric)
    if isinstance(value, dict) or (value is None and metric):
        del found["metrics"]  # without a metric in any of the results, that is an error of its own
    expected = metric_value(value)
    for name, searcher in found.items():
        searcher.save(str(tmp_path / name))
        restored = RandomSearch(SPACE)
        restored.restore(str(tmp_path / name))
        for each in (searcher, restored):
            assert ARCHS[0] not in [each.suggest(f"t{number}")["arch"] for number in range(5)], name
            scores = [record.score for record in each.observations.completed]
            assert scores == ([expected] if math.isfinite(expected) else []), name


@pytest.mark.parametrize("metric", ["score", "eval/acc"])
def test_a_last_value_of_none_is_not_the_value_before_it(metric: str) -> None:
    searcher = RandomSearch(SPACE, metric, "max", seed=0)
    for trial_id, last in (("a", {metric: None}), ("b", {"other": 1.0})):
        searcher.suggest(trial_id)
        searcher.on_trial_result(trial_id, {metric: 0.5, "training_iteration": 1})
        searcher.on_trial_complete(trial_id, result=last)
    assert [searcher.observations.trials[trial_id].status for trial_id in "ab"] == ["failed", "completed"]


def results_of(metrics: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    return list(zip(ARCHS, metrics, strict=False))


def test_results_without_the_metric_are_refused_by_the_metrics_that_there_are() -> None:
    metrics = [{"eval": {"acc": 0.5}, "loss": 1.0, "training_iteration": 3, "time_total_s": 1.0}] * 2
    with pytest.raises(SearchSpaceError, match=r"None of the 2 results .* 'accuracy'\. They have: eval/acc, loss\.$"):
        RandomSearch(SPACE, "accuracy", "max", evaluated=results_of(metrics))
    later = RandomSearch(SPACE, evaluated=results_of(metrics))
    with pytest.raises(SearchSpaceError, match="eval/acc, loss"):
        later.set_search_properties("accuracy", "max", {})
    later.set_search_properties("eval/acc", "max", {})
    assert later.suggest("a")["arch"] not in ARCHS[:2]
    assert [record.score for record in later.observations.completed] == [0.5, 0.5]


def test_earlier_trials_that_were_stopped_early_are_not_compared_as_complete() -> None:
    metrics = [{"score": 0.9, "training_iteration": 2}, {"score": 0.1, "training_iteration": 9}]
    searcher = RandomSearch(SPACE, "score", "max", evaluated=results_of(metrics))
    searcher.add_evaluated_point({"arch": ARCHS[5]}, 0.99, pruned=True, intermediate_values=[0.1])
    searcher.add_evaluated_point({"arch": ARCHS[6]}, 0.05)
    searcher.suggest("live")
    searcher.on_trial_complete("live", result={"score": 0.7, "training_iteration": 1})
    archs, labels = searcher.observations.labels()
    order = [archs[place] for place in np.argsort(labels)]
    live = searcher.observations.trials["live"].arch
    assert order == [live, ARCHS[5], ARCHS[0], ARCHS[6], ARCHS[1]]
    only_pruned = RandomSearch(SPACE, "score", "max")
    only_pruned.add_evaluated_point({"arch": ARCHS[0]}, 0.9, pruned=True, intermediate_values=[0.1, 0.2, 0.3])
    only_pruned.add_evaluated_point({"arch": ARCHS[1]}, 0.1)
    assert only_pruned.observations.labels()[1].tolist() == [0, 1]


def test_data_frames_are_read_or_refused_by_name() -> None:
    import pandas as pd

    frame = pd.DataFrame({"config/arch": ARCHS[:2], "config/lr": [0.1, 0.2], "score": [1.0, 2.0]})
    searcher = RandomSearch(SPACE, "score", "max", evaluated=frame)
    searcher.suggest("a")
    assert [(record.score, record.config) for record in searcher.observations.completed] == [
        (1.0, {"lr": 0.1}),
        (2.0, {"lr": 0.2}),
    ]
    plain = RandomSearch(SPACE, "score", "max", evaluated=pd.DataFrame({"arch": ARCHS[:2], "score": ["1", "x"]}))
    plain.suggest("a")
    assert [record.score for record in plain.observations.completed] == [1.0]
    with pytest.raises(SearchSpaceError, match="neither a column 'arch' nor 'config/arch': cell, score"):
        RandomSearch(SPACE, evaluated=pd.DataFrame({"cell": ARCHS[:2], "score": [1.0, 2.0]}))


@pytest.mark.parametrize("evaluated", [[3], ARCHS[:2], [(ARCHS[0], 1.0, 2.0)], [(None, 1.0)]])
def test_what_is_no_result_is_refused(evaluated: Any) -> None:
    with pytest.raises(SearchSpaceError):
        RandomSearch(SPACE, evaluated=evaluated)


LR = {"lr": tune.loguniform(1e-4, 1.0)}
every_kind = pytest.mark.parametrize("kind", [MPNASSearch, RandomSearch, RegularizedEvolution, TPESearch])


def go_on(searcher: ArchitectureSearcher, number: int = 6, metric: str = "score") -> list[dict[str, Any]]:
    """Some trials more; nothing may fail inside."""
    before, configs = searcher.num_failures, []
    for _ in range(number):
        trial_id = f"trial-{len(searcher.observations)}"
        config = searcher.suggest(trial_id)
        searcher.on_trial_complete(trial_id, result={metric: float(sum(map(ord, config["arch"])) % 97)})
        configs.append(config)
    assert searcher.num_failures == before
    return configs


def make(kind: type[ArchitectureSearcher], **arguments: Any) -> ArchitectureSearcher:
    if kind is MPNASSearch:
        small = GCNPredictor(GCNConfig(width=16, epochs=20))
        arguments |= {"predictor": small, "cost_predictor": None, "num_candidates": 50}
    return kind(SPACE, seed=0, **arguments)


@every_kind
def test_points_may_come_before_metric_mode_and_space(kind: type[ArchitectureSearcher], tmp_path: Path) -> None:
    searcher = make(kind)
    searcher.add_evaluated_point({"arch": ARCHS[0], "lr": 0.5}, 3.0)
    searcher.add_evaluated_point({"arch": ARCHS[1]}, 4.0)
    searcher.enqueue("lost", {"arch": ARCHS[2], "lr": 0.25})
    searcher.save(str(tmp_path / "state"))
    restored = make(kind)
    restored.restore(str(tmp_path / "state"))
    for each in (searcher, restored):
        each.set_search_properties("score", "min", LR)
        first, *rest = go_on(each)
        assert first == {"arch": ARCHS[2], "lr": 0.25}
        assert not {config["arch"] for config in rest} & set(ARCHS[:3])
        assert all(1e-4 <= config["lr"] <= 1 for config in rest)
        records = list(each.observations.trials.values())
        assert [record.score for record in records[:2]] == [-3, -4]
        assert records[1].config == {}, "a learning rate that nobody gave is not made up"


@pytest.mark.long
@every_kind
def test_a_second_space_counts_from_then_on(kind: type[ArchitectureSearcher]) -> None:
    searcher = make(kind, metric="score", mode="max")
    searcher.set_search_properties(None, None, LR)
    go_on(searcher)
    searcher.set_search_properties(None, None, {"lr": tune.uniform(2, 3), "new": tune.choice(["a", "b"])})
    for config in go_on(searcher):
        assert 2 <= config["lr"] <= 3
        assert config["new"] in ("a", "b")
    searcher.set_search_properties(None, None, {"new": tune.choice(["a"]), "arch": tune.choice(ARCHS)})
    for config in go_on(searcher, 3):
        assert config.keys() == {"arch", "new"}
        assert config["arch"] in ARCHS
    searcher.set_search_properties(None, None, {"constant": 3})
    assert all(config.keys() == {"arch"} for config in go_on(searcher))


@pytest.mark.long
@every_kind
@pytest.mark.parametrize(("metric", "mode"), [("other", "max"), ("score", "min")])
def test_labels_of_another_objective_are_not_mixed_with_new_ones(
    kind: type[ArchitectureSearcher], metric: str, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    searcher = make(kind, metric="score", mode="max")
    known = go_on(searcher)
    searcher.set_search_properties(metric, mode, {})
    searcher.set_search_properties(metric, mode, {})
    assert len(searcher.observations.labels()[0]) == 0
    later = go_on(searcher, 8, metric)
    assert len(searcher.observations.labels()[0]) == 8
    assert not {config["arch"] for config in later} & {config["arch"] for config in known}
    assert sum("are not learned from any more" in record.message for record in caplog.records) == 1


def test_ids_never_collide() -> None:
    searcher = RandomSearch(SPACE, "score", "max", evaluated=[(arch, 1.0) for arch in ARCHS[:3]])
    searcher.suggest("a")
    searcher.enqueue("a", {"arch": ARCHS[9]})  # forgets one, so that fewer trials are known than ids were given
    searcher.add_evaluated_point({"arch": ARCHS[4]}, 2.0)
    searcher.suggest("b")
    searcher.on_trial_complete("b", result={"score": 5.0})
    searcher.suggest("b")
    assert sorted(record.score for record in searcher.observations.completed) == [1, 1, 1, 2, 5]
    assert searcher.observations.trials["b"].status == "pending"


def test_a_value_belongs_to_the_architecture_of_its_config() -> None:
    """A scheduler such as population-based training gives one trial the config of another."""
    searcher = RandomSearch(SPACE, "score", "max", seed=0)
    searcher.suggest("a")
    searcher.on_trial_result("a", {"score": 1.0, "config/arch": ARCHS[3], "config/lr": 0.5})
    searcher.on_trial_complete("a", result={"score": 2.0, "config": {"arch": ARCHS[3], "lr": 0.5}})
    (record,) = searcher.observations.completed
    assert (record.arch, record.score, record.config) == (ARCHS[3], 2.0, {"lr": 0.5})


@pytest.mark.parametrize("iteration", [None, math.nan, math.inf, -1, "x", 10**400, [], 1e300])
def test_an_iteration_that_is_no_number_does_no_harm(iteration: Any) -> None:
    searcher = RandomSearch(SPACE, "score", "max", seed=0)
    for trial_id in "ab":
        searcher.suggest(trial_id)
        searcher.on_trial_result(trial_id, {"score": 1.0, "training_iteration": iteration})
        searcher.on_trial_complete(trial_id, result={"score": 2.0, "training_iteration": iteration})
    assert searcher.observations.labels()[1].tolist() == [2.0, 2.0]


# Hyperparameters.

SAVED = {"optimizer": {"lr": tune.loguniform(1e-4, 1.0)}, "layers": [tune.randint(1, 9), ("a", tune.choice([1, 2]))]}


def test_a_restored_searcher_draws_hyperparameters_without_being_told_the_space_again(tmp_path: Path) -> None:
    searcher = RandomSearch(SPACE, seed=0)
    searcher.set_search_properties("score", "max", {**SAVED, "constant": object()})
    go_on(searcher)
    searcher.save(str(tmp_path / "state"))
    bare, told = RandomSearch(SPACE), RandomSearch(SPACE)
    told.set_search_properties("score", "max", {**SAVED, "constant": object()})
    for restored in (bare, told):
        restored.restore(str(tmp_path / "state"))
    assert go_on(searcher, 12) == go_on(bare, 12) == go_on(told, 12)


def test_objects_that_a_state_cannot_hold_are_asked_for_again(tmp_path: Path) -> None:
    space = {"model": tune.choice([math.sin, math.cos]), "size": tune.randint(1, 5)}
    searcher = RandomSearch(SPACE, "score", "max")
    searcher.set_search_properties(None, None, space)
    assert searcher.suggest("a")["model"] in (math.sin, math.cos)
    searcher.save(str(tmp_path / "state"))
    restored = RandomSearch(SPACE)
    restored.restore(str(tmp_path / "state"))
    with pytest.raises(SearchSpaceError, match=r"objects and functions in its param_space \(model\)"):
        restored.suggest("b")
    restored.set_search_properties(None, None, space)
    assert restored.suggest("b")["model"] in (math.sin, math.cos)


def test_a_point_keeps_what_it_names_and_has_the_rest_drawn(caplog: pytest.LogCaptureFixture) -> None:
    space = {
        "a": {"lr": tune.loguniform(1e-4, 1.0), "momentum": tune.qrandn(0, 1, 0.5)},
        "kind": tune.choice([("x", 1), "y"]),
    }
    points = [
        {"arch": ARCHS[0], "a": {"lr": 0.3}},
        {"arch": ARCHS[1], "a": {"momentum": 0.3}, "kind": ("x", 1)},
        {"arch": ARCHS[2], "a": {"lr": 7.0}, "kind": "z", "beside": (1, 2)},
    ]
    searcher = RandomSearch(SPACE, "score", "max", seed=0, points_to_evaluate=points)
    searcher.set_search_properties(None, None, space)
    first, second, third = (searcher.suggest(str(number)) for number in range(3))
    assert first["a"]["lr"] == 0.3
    assert first["a"]["momentum"] % 0.5 == 0
    assert first["kind"] in (("x", 1), "y")
    assert second["a"]["momentum"] == 0.3, "not rounded"
    assert second["kind"] == ("x", 1)
    assert 1e-4 <= second["a"]["lr"] <= 1
    assert (third["a"]["lr"], third["kind"], third["beside"]) == (7.0, "z", (1, 2))
    assert sum("outside its domain" in record.message for record in caplog.records) == 2
    go_on(searcher)


@pytest.mark.parametrize(
    "domain",
    [
        tune.uniform(2, 1),
        tune.randint(3, 3),
        tune.choice([]),
        tune.qrandint(1, 4, 5),
        tune.choice([1, tune.grid_search([1, 2])]),
        tune.choice([tune.sample_from(lambda: 1)]),
        {"eval": "1 + 1"},
        [tune.grid_search([1])],
    ],
    ids=shown,
)
def test_what_nothing_can_be_drawn_from_is_refused_by_name_and_changes_nothing(domain: Any) -> None:
    searcher = RandomSearch(SPACE, "score", "max", seed=0)
    searcher.set_search_properties(None, None, LR)
    with pytest.raises(SearchSpaceError, match=r"a/b(/0)? of param_space is open"):
        searcher.set_search_properties("other", "min", {"a": {"b": domain}, "arch": tune.choice(ARCHS[:2])})
    assert (searcher.metric, searcher.mode) == ("score", "max")
    assert len({config["arch"] for config in go_on(searcher)}) == 6


def test_a_fixed_architecture_is_refused() -> None:
    with pytest.raises(SearchSpaceError, match='gives "arch" as something else'):
        RandomSearch(SPACE).set_search_properties("score", "max", {"arch": ARCHS[0]})


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers(0, 3), inner, max_size=3)
        | st.dictionaries(st.sampled_from(["tuple", "mapping", "numpy", "object"]), inner, max_size=2)
    ),
    max_leaves=8,
)


@pytest.mark.long
@given(plain)
def test_plain_values_come_back_with_their_types(value: Any) -> None:
    import json

    back = from_plain(json.loads(json.dumps(to_plain(value))))
    assert repr(back) == repr(value)


# States.


def saved(kind: type[ArchitectureSearcher], path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    searcher = make(kind, metric="score", mode="max", points_to_evaluate=[{"arch": ARCHS[11], "lr": 0.1}, *ARCHS[9:11]])
    searcher.set_search_properties(None, None, {**LR, "kind": tune.choice([1, ("a", 2)])})
    go_on(searcher)
    searcher.enqueue("x", {"arch": ARCHS[8]})
    searcher.save(str(path))
    return read_state(path)


def entries(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every entry of a state."""
    inner = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    return [(*way, key) for key, _ in inner] + [deep for key, each in inner for deep in entries(each, (*way, key))]


@pytest.mark.long
@every_kind
def test_a_refused_restore_changes_nothing_and_wrong_types_are_refused(
    kind: type[ArchitectureSearcher], tmp_path: Path
) -> None:
    plain_state, arrays = saved(kind, tmp_path / "state")
    searcher, reference = make(kind), make(kind)
    for each in (searcher, reference):
        each.set_search_properties("score", "max", LR)
        go_on(each)
    refused = 0
    for way in entries(plain_state):
        for wrong in ("junk", -1.5, None, [1], {"a": {}}):
            damaged = read_state(tmp_path / "state")[0]
            inner = damaged
            for key in way[:-1]:
                inner = inner[key]
            inner[way[-1]] = wrong
            write_state(tmp_path / "damaged", damaged, arrays)
            victim = make(kind)
            try:
                victim.restore(str(tmp_path / "damaged"))
            except SearcherStateError:
                refused += 1
                with pytest.raises(SearcherStateError):
                    searcher.restore(str(tmp_path / "damaged"))
            else:
                victim.set_search_properties("score", "max", {})
                victim.suggest("later")
    assert refused > 100
    assert go_on(searcher) == go_on(reference)
