"""The searchers that `MPNASSearch` is compared with: what all have in common, and what makes each what it is."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest
from ray.tune.search import Searcher

from mpnas_ray.errors import SearcherStateError, SearchSpaceError
from mpnas_ray.spaces import get_space
from mpnas_ray.tables import TableTask
from searchers import (
    ArchitectureSearcher,
    BoostedTreesSearch,
    LocalSearch,
    MeanRankSearch,
    NearestTaskSearch,
    OptunaGPSearch,
    RandomSearch,
    RegularizedEvolution,
    REINFORCESearch,
    RUSHSearch,
    TPESearch,
)
from searchers.baselines.reinforce import Policy
from searchers.testing import run_trials

Kind = type[ArchitectureSearcher]
Score = Callable[[str], float]

WITHOUT_SOURCES = [
    RegularizedEvolution,
    LocalSearch,
    TPESearch,
    pytest.param(OptunaGPSearch, marks=pytest.mark.slow),
    REINFORCESearch,
]
WITH_SOURCES: list[Kind] = [MeanRankSearch, NearestTaskSearch, RUSHSearch]
SEARCHERS = [*WITHOUT_SOURCES, *WITH_SOURCES]

every_searcher = pytest.mark.parametrize("kind", SEARCHERS)


def digits(text: str) -> list[int]:
    """Operations of a cell of transnasbench101."""
    return list(get_space("transnasbench101").parse(text).codes)


def convs(text: str) -> float:
    """A toy score to which each operation adds its own part; conv3x3 is best on every link."""
    return float(sum((0.0, 0.1, 0.5, 1.0)[code] * (1 + 0.01 * link) for link, code in enumerate(digits(text))))


@cache
def sources() -> dict[str, TableTask]:
    """Three tasks: one that likes convolutions, one that hates them, one to which the order means nothing."""
    archs = get_space("transnasbench101").enumerate()
    liked = np.array([convs(str(arch)) for arch in archs])
    noise = np.random.default_rng(0).random(len(archs))
    values = {"noise": noise, "against": -liked, "for": liked}
    return {name: TableTask(f"transnasbench101/{name}", archs, raw, "m", "max") for name, raw in values.items()}


def make(kind: Kind, **arguments: Any) -> Any:
    extra = {"sources": sources()} if kind in WITH_SOURCES else {}
    return kind("transnasbench101", **{"metric": "score", "mode": "max", "seed": 0, **extra, **arguments})


def run(searcher: Searcher, first: int, last: int, score: Score = convs) -> list[str]:
    """One trial after another."""
    names = [f"trial{number}" for number in range(first, last)]
    return [config["arch"] for config in run_trials(searcher, names, lambda config: score(config["arch"]))]


def network(text: str, allow_isomorphic: bool) -> Any:
    return text if allow_isomorphic else get_space("transnasbench101").parse(text).canonical


@every_searcher
@pytest.mark.parametrize("allow_isomorphic", [False, True])
def test_plain_configs_and_no_repeats_with_trials_done_pending_and_failed(kind: Kind, allow_isomorphic: bool) -> None:
    searcher = make(kind, allow_isomorphic=allow_isomorphic)
    found = []
    for number in range(80):
        config = searcher.suggest(str(number))
        assert type(config) is dict
        assert {type(value) for value in config.values()} == {str}
        found.append(config["arch"])
        if number >= 4:  # four under way at once; they end in another order than they began
            ended = number - 4 if number % 2 else number - 3
            value = math.nan if ended % 7 == 0 else convs(found[ended])
            searcher.on_trial_complete(str(ended), {"score": value, "training_iteration": 1}, error=ended % 11 == 0)
    assert len({network(arch, allow_isomorphic) for arch in found}) == 80
    assert searcher.num_failures == 0


@every_searcher
@pytest.mark.parametrize("allow_isomorphic", [False, True])
def test_a_small_space_ends_when_everything_was_proposed(kind: Kind, allow_isomorphic: bool) -> None:
    space = get_space("transnasbench101")
    everything = space.enumerate() if allow_isomorphic else space.distinct()
    searcher = make(kind, allow_isomorphic=allow_isomorphic)
    left_out = np.arange(len(everything)) % 50 == 0
    # As if proposed: to run them all takes minutes.
    searcher._proposals.seen.update(searcher._proposals.candidates.keys(everything[~left_out]).tolist())
    run(searcher, 0, 12)
    rest = [searcher.suggest(f"pending{number}") for number in range(left_out.sum() - 12)]
    assert all(isinstance(config, dict) for config in rest)
    assert searcher.suggest("one more") == Searcher.FINISHED
    assert searcher.num_failures == 0


@every_searcher
@pytest.mark.parametrize("done", [3, 25])
def test_a_restored_search_goes_on_as_if_it_had_not_stopped(kind: Kind, done: int, tmp_path: Path) -> None:
    straight = run(make(kind), 0, 40)
    searcher = make(kind)
    begun = run(searcher, 0, done)
    searcher.save(str(tmp_path / "state"))
    bare = make(kind, seed=99)
    bare.restore(str(tmp_path / "state"))
    copy = pickle.loads(cloudpickle.dumps(searcher))
    assert begun + run(bare, done, 40) == straight
    assert begun + run(copy, done, 40) == straight


@every_searcher
def test_the_seed_makes_the_search(kind: Kind) -> None:
    assert run(make(kind), 0, 15) == run(make(kind), 0, 15)
    assert kind is MeanRankSearch or run(make(kind), 0, 15) != run(make(kind, seed=1), 0, 15)


@every_searcher
@pytest.mark.parametrize("value", [math.nan, math.inf, None, "broken"])
def test_a_search_in_which_everything_fails_goes_on(kind: Kind, value: Any) -> None:
    searcher = make(kind)
    found = run(searcher, 0, 15)
    for number in range(30):
        found.append(searcher.suggest(f"bad{number}")["arch"])
        searcher.on_trial_complete(f"bad{number}", {"score": value, "training_iteration": 1}, error=number % 2 == 0)
    assert len(set(found)) == 45
    assert len(searcher.observations.completed) == 15
    assert searcher.num_failures == 0


@every_searcher
def test_early_stopped_trials_and_the_smaller_the_better(kind: Kind) -> None:
    searcher = make(kind, mode="min")
    for number in range(40):
        arch = searcher.suggest(str(number))["arch"]
        searcher.on_trial_complete(str(number), {"score": convs(arch), "training_iteration": 1 + number % 3})
    assert searcher.num_failures == 0


@pytest.mark.parametrize("kind", WITHOUT_SOURCES)
@pytest.mark.parametrize("space", ["nasbench101", "mixed"])
def test_spaces_whose_codes_depend_on_each_other(kind: Kind, space: str) -> None:
    searcher = kind(space, "score", "max", seed=0)
    found = run(searcher, 0, 30, score=lambda arch: float(arch.count("conv")))
    assert all(arch in get_space(space) for arch in found)
    assert len({get_space(space).parse(arch).canonical for arch in found}) == 30
    assert searcher.num_failures == 0


# What makes each what it is.


def changed_codes(one: str, other: str) -> int:
    return sum(a != b for a, b in zip(digits(one), digits(other), strict=True))


def test_evolution_mutates_members_of_the_living_population() -> None:
    searcher = make(RegularizedEvolution, population_size=6, sample_size=3, allow_isomorphic=True)
    found = run(searcher, 0, 40)
    assert run(make(RandomSearch, allow_isomorphic=True), 0, 6) == found[:6]
    for number in range(6, 40):
        living = found[number - 6 : number]
        assert min(changed_codes(found[number], parent) for parent in living) == 1


def test_evolution_lets_the_best_die_of_age() -> None:
    searcher = make(RegularizedEvolution, population_size=4, sample_size=50, allow_isomorphic=True)
    scores: dict[str, float] = {}

    def fading(arch: str) -> float:  # each architecture is worse than those before
        return scores.setdefault(arch, -float(len(scores)))

    found = run(searcher, 0, 20, score=fading)
    for number in range(4, 20):  # fifty draws of four: the best of the living is nearly surely the parent
        assert changed_codes(found[number], found[number - 4]) == 1


def test_evolution_goes_further_where_all_neighbours_were_proposed() -> None:
    searcher = make(RegularizedEvolution, population_size=1, sample_size=1, allow_isomorphic=True)
    (parent,) = run(searcher, 0, 1)
    for neighbor in searcher.space.neighbors(searcher.space.parse(parent)):
        searcher._proposals.seen.add(searcher._proposals.candidates.key(neighbor))
    assert changed_codes(searcher.suggest("next")["arch"], parent) == 2
    with pytest.raises(ValueError, match="population_size"):
        make(RegularizedEvolution, population_size=0)


def test_local_search_stays_around_the_best_until_its_neighbours_are_used_up() -> None:
    searcher = make(LocalSearch, allow_isomorphic=True)
    found = run(searcher, 0, 12)
    place = found[0]
    for arch in found[1:]:
        assert changed_codes(arch, place) == 1
        place = max(place, arch, key=convs)


def test_local_search_begins_anew_after_a_local_optimum() -> None:
    searcher = make(LocalSearch, allow_isomorphic=True)
    found = run(searcher, 0, 21, score=lambda arch: 0.0)  # no neighbour is better: there are 18
    assert [changed_codes(arch, found[0]) for arch in found[1:19]] == [1] * 18
    assert changed_codes(found[19], found[0]) > 1
    assert changed_codes(found[20], found[19]) == 1, "the climb before is forgotten"


def test_local_search_reaches_the_optimum_of_an_additive_score() -> None:
    assert "transnasbench101:64-41414-3_33_333" in run(make(LocalSearch, allow_isomorphic=True), 0, 90)


@cache
def share_of_conv3x3(kind: Kind, num_seeds: int = 3, num_trials: int = 50) -> float:
    """Count the good operation in the later half of the proposals."""
    late = [
        run(make(kind, seed=seed, allow_isomorphic=True), 0, num_trials)[num_trials // 2 :] for seed in range(num_seeds)
    ]
    return float(np.mean([code == 3 for archs in late for arch in archs for code in digits(arch)]))


@pytest.mark.parametrize(
    ("kind", "num_trials"), [(TPESearch, 50), pytest.param(OptunaGPSearch, 26, marks=pytest.mark.long)]
)
def test_samplers_of_optuna_concentrate_on_the_good_operation(kind: Kind, num_trials: int) -> None:
    assert share_of_conv3x3(kind, num_seeds=1, num_trials=num_trials) > share_of_conv3x3(RandomSearch) + 0.2


@pytest.mark.long
def test_boosted_trees_concentrate_on_the_good_operation() -> None:
    assert share_of_conv3x3(BoostedTreesSearch, num_seeds=1) > share_of_conv3x3(RandomSearch) + 0.2


@pytest.mark.slow
def test_optunas_process_finds_the_optimum_of_an_additive_score() -> None:
    assert "transnasbench101:64-41414-3_33_333" in run(make(OptunaGPSearch, allow_isomorphic=True), 0, 30)


@pytest.mark.parametrize("kind", [TPESearch, pytest.param(OptunaGPSearch, marks=pytest.mark.long)])
def test_optuna_without_its_study_in_memory_draws_the_same(kind: Kind) -> None:
    searcher = make(kind)
    run(searcher, 0, 12)
    for number in range(3):
        searcher.suggest(f"pending{number}")
    searcher.on_trial_complete("pending0", error=True)
    searcher.on_trial_complete("pending2", {"score": 1.0, "training_iteration": 1})
    copy = pickle.loads(cloudpickle.dumps(searcher))
    assert copy._study is None
    assert run(copy, 12, 16) == run(searcher, 12, 16)


def test_the_policy_rises_where_the_reward_is_above_average() -> None:
    policy = Policy.uniform([4, 2])
    np.testing.assert_allclose(policy.probabilities, [[0.25] * 4, [0.5, 0.5, 0, 0]])
    first = policy.learn(np.array([1, 0]), 1.0)
    np.testing.assert_allclose(first.probabilities, policy.probabilities)  # the first reward is its own average
    better = first.learn(np.array([2, 1]), 2.0)
    assert better.probabilities[0, 2] > 0.25 > better.probabilities[0, 1]
    assert better.probabilities[1, 1] > 0.5
    worse = first.learn(np.array([2, 1]), 0.0)
    assert worse.probabilities[0, 2] < 0.25
    draws = {tuple(better.draw(np.random.default_rng(seed)).tolist()) for seed in range(200)}
    assert draws == {(a, b) for a in range(4) for b in range(2)}


def test_the_policy_takes_the_steps_of_adam_by_its_own_equations() -> None:
    """Kingma and Ba 2015, Algorithm 1, with the usual 0.9, 0.999 and 1e-8."""
    rng = np.random.default_rng(0)
    policy = Policy.uniform([5] * 6)
    logits, mean, square = np.zeros((3, 6, 5))
    total = weight = 0.0
    for step in range(1, 31):
        chosen, reward = rng.integers(5, size=6), float(rng.normal(90, 3))
        policy = policy.learn(chosen, reward)
        total, weight = 0.9 * total + 0.1 * reward, 0.9 * weight + 0.1
        powers = np.exp(logits)
        gradient = (np.eye(5)[chosen] - powers / powers.sum(axis=1, keepdims=True)) * (reward - total / weight)
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        logits = logits + 0.01 * mean / (1 - 0.9**step) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
    np.testing.assert_allclose(policy.logits, logits, rtol=1e-9, atol=1e-12)


def test_reinforce_learns_from_each_result_once_and_again_where_one_comes_late() -> None:
    searcher = make(REINFORCESearch)
    for number in range(8):
        searcher.suggest(str(number))
    for number in (0, 2, 1, 3):
        arch = searcher.observations.trials[str(number)].arch
        searcher.on_trial_complete(str(number), {"score": convs(arch), "training_iteration": 1})
        searcher.suggest(f"after{number}")
    expected = Policy.uniform([4] * 6)
    for record in searcher.observations.completed:
        expected = expected.learn(np.array(digits(record.arch)), convs(record.arch))
    np.testing.assert_array_equal(searcher._policy().logits, expected.logits)
    assert searcher._policy().adam["state"][0]["step"] == 4


def task(name: str, texts: list[str], scores: list[float], mode: Any = "max") -> TableTask:
    space = get_space("transnasbench101")
    return TableTask(f"transnasbench101/{name}", type(space.enumerate()).of(texts, space), np.array(scores), "m", mode)


def test_mean_rank_follows_the_order_worked_out_by_hand() -> None:
    a, b, c, d = (f"64-41414-{cell}" for cell in ("3_33_333", "2_22_222", "1_23_321", "3_21_123"))
    known = {
        "accuracy": task("accuracy", [a, b, c, d], [4.0, 3.0, 2.0, 1.0]),  # quantiles 1, 3/4, 2/4, 1/4
        "error": task("error", [d, c, b], [0.1, 0.2, 0.3], "min"),  #                     -, 1/3, 2/3, 1
    }
    searcher = make(MeanRankSearch, sources=known)  # means 1, 13/24, 14/24, 15/24
    found = run(searcher, 0, 6)
    assert [arch.partition(":")[2] for arch in found[:4]] == [a, d, c, b]
    assert len(set(found)) == 6, "then random ones"


def test_rush_proposes_the_best_of_each_source_once_and_then_at_random() -> None:
    a, b, c, d = (f"64-41414-{cell}" for cell in ("3_33_333", "2_22_222", "1_23_321", "3_21_123"))
    known = {
        "accuracy": task("accuracy", [a, b, c], [2.0, 4.0, 3.0]),
        "error": task("error", [d, c, a], [0.3, 0.1, 0.2], "min"),
        "other accuracy": task("other accuracy", [a, b], [1.0, 7.0]),
    }
    found = run(make(RUSHSearch, sources=known), 0, 6)
    assert [arch.partition(":")[2] for arch in found[:2]] == [b, c]
    rest = run(make(RUSHSearch, sources=known, seed=1), 0, 6)
    assert rest[:2] == found[:2]
    assert not set(rest[2:]) & set(found[2:])


def test_nearest_task_follows_the_source_whose_sign_is_right() -> None:
    best = sorted(map(str, get_space("transnasbench101").enumerate()), key=convs, reverse=True)
    liked = run(make(NearestTaskSearch, allow_isomorphic=True), 0, 12)
    assert liked[:5] == run(make(RandomSearch, allow_isomorphic=True), 0, 5)
    assert list(map(convs, liked[5:])) == [convs(arch) for arch in best if arch not in liked[:5]][:7]
    hated = run(make(NearestTaskSearch, allow_isomorphic=True), 0, 12, score=lambda arch: -convs(arch))
    assert list(map(convs, hated[5:])) == [convs(arch) for arch in best[::-1] if arch not in hated[:5]][:7]


def test_nearest_task_is_chosen_again_as_results_come_in() -> None:
    searcher = make(NearestTaskSearch, allow_isomorphic=True)
    found = run(searcher, 0, 6)
    assert convs(found[5]) > 5
    for arch in get_space("transnasbench101").sample_many(30, np.random.default_rng(5)):
        searcher.add_evaluated_point({"arch": str(arch)}, -convs(str(arch)))  # it was the other way round
    (later,) = run(searcher, 6, 7)
    assert convs(later) < 0.2


def test_sources_are_checked_and_recognised(tmp_path: Path) -> None:
    searcher = make(NearestTaskSearch)
    run(searcher, 0, 8)
    searcher.save(str(tmp_path / "state"))
    assert (tmp_path / "state").stat().st_size < 20_000, "the tables are not in it"
    fewer = {name: task for name, task in sources().items() if name != "noise"}
    with pytest.raises(SearcherStateError, match="other sources than against, for"):
        make(NearestTaskSearch, sources=fewer).restore(str(tmp_path / "state"))
    with pytest.raises(SearchSpaceError, match="The source for is of transnasbench101, not of nasbench201"):
        MeanRankSearch("nasbench201", sources={"for": sources()["for"]})
    with pytest.raises(ValueError, match="at least one source"):
        make(MeanRankSearch, sources={})


def test_sources_that_measured_only_some_architectures() -> None:
    whole = sources()["for"]
    halves = {"low": whole[np.arange(0, 2_000)], "high": whole[np.arange(1_000, 4_096)]}
    for kind in WITH_SOURCES:
        searcher = make(kind, sources=halves)
        assert len(set(run(searcher, 0, 20))) == 20
        assert searcher.num_failures == 0
