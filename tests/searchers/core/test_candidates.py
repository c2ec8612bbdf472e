"""The architectures that may be proposed, and those that are known beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from ray import tune

from mpnas_ray.errors import SearchSpaceError
from mpnas_ray.spaces import Architectures, get_space
from mpnas_ray.tables import TableTask
from searchers import (
    ArchitectureSearcher,
    LocalSearch,
    MPNASSearch,
    RandomSearch,
    RegularizedEvolution,
    REINFORCESearch,
    TPESearch,
)
from searchers.core.candidates import Candidates
from searchers.testing import ask, run_trials


def run(searcher: ArchitectureSearcher, names: Sequence[str]) -> list[str]:
    configs = run_trials(searcher, names, lambda config: float(sum(map(ord, config["arch"])) % 97))
    return [config["arch"] for config in configs]


def ids(first: int, last: int) -> list[str]:
    return [f"trial-{number}" for number in range(first, last)]


SEARCHERS = [MPNASSearch, RandomSearch, RegularizedEvolution, LocalSearch, TPESearch, REINFORCESearch]


def few_convolutions(archs: Architectures) -> NDArray[np.bool_]:
    return np.asarray((archs.codes == 3).sum(axis=1) <= 2)


@pytest.mark.long
@pytest.mark.parametrize("kind", SEARCHERS)
def test_a_constraint_holds_for_every_proposal(kind: type[ArchitectureSearcher]) -> None:
    searcher = kind("transnasbench101", metric="score", mode="max", seed=0, constraint=few_convolutions)
    proposed = run(searcher, ids(0, 30))
    assert few_convolutions(Architectures.of(proposed, get_space("transnasbench101"))).all()
    assert len(set(proposed)) == 30


def test_a_constraint_that_nothing_satisfies_is_refused_at_once() -> None:
    for space in ("nasbench201", "mixed"):
        with pytest.raises(SearchSpaceError, match="satisfies the constraint"):
            RandomSearch(space, constraint=lambda archs: np.zeros(len(archs), dtype=bool))


def test_a_constraint_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(SearchSpaceError, match="gives N booleans"):
        RandomSearch("nasbench201", constraint=lambda archs: True)


@pytest.mark.parametrize("space", ["transnasbench101", "nasbench101"])
def test_what_was_seen_is_left_out_of_what_is_unseen(space: str) -> None:
    candidates = Candidates(space)
    rng = np.random.default_rng(0)
    some = candidates.sample(2_000, np.random.default_rng(1)).canonical_keys()[::2]
    archs, found = candidates.unseen(2_000, some, rng)
    assert np.array_equal(archs.canonical_keys(), found)
    assert not np.isin(found, some).any()
    if candidates.listed is not None:
        assert sorted([*found.tolist(), *some.tolist()]) == sorted(candidates.listed_keys.tolist())
        assert not np.array_equal(found, candidates.unseen(1, some, rng)[1])


def test_a_rare_architecture_of_a_large_space_is_found() -> None:
    def rare(archs: Architectures) -> NDArray[np.bool_]:
        return archs.canonical_keys() % np.uint64(97) == 0

    proposed = run(RandomSearch("mixed", "score", "max", seed=0, constraint=rare), ids(0, 5))
    assert rare(Architectures.of(proposed, get_space("mixed"))).all()


@pytest.mark.parametrize("kind", SEARCHERS)
def test_a_choice_of_architectures_is_all_that_is_proposed(kind: type[ArchitectureSearcher], tmp_path: Path) -> None:
    listed = [str(arch) for arch in get_space("nasbench201").sample_many(12, np.random.default_rng(5))]
    searcher = kind("nasbench201", seed=0)
    assert searcher.set_search_properties("score", "max", {"arch": tune.choice(listed), "lr": tune.uniform(0, 1)})
    first = [ask(searcher, trial_id) for trial_id in ids(0, 5)]
    assert all(set(config) == {"arch", "lr"} for config in first)
    searcher.save(str(tmp_path / "state"))
    bare = kind("nasbench201")
    bare.restore(str(tmp_path / "state"))
    rest = [bare.suggest(f"later-{number}") for number in range(7)]
    distinct = len(np.unique(Architectures.of(listed, get_space("nasbench201")).canonical_keys()))
    assert {c["arch"] for c in [*first, *[c for c in rest if isinstance(c, dict)]]} <= set(listed)
    assert sum(isinstance(config, dict) for config in rest) == distinct - 5
    assert bare.suggest("one more") == "FINISHED"


def test_a_choice_that_holds_no_architecture_is_refused() -> None:
    with pytest.raises(SearchSpaceError, match="nor_conv_9x9"):
        RandomSearch("nasbench201").set_search_properties(
            "score",
            "max",
            {"arch": tune.choice(["nasbench201:|nor_conv_9x9~0|+|none~0|none~1|+|none~0|none~1|none~2|"])},
        )


@pytest.mark.long
def test_results_of_a_table_and_of_pairs_are_learned_from_whatever_the_mode() -> None:
    space = get_space("nasbench201")
    archs = space.sample_many(6, np.random.default_rng(1))
    table = TableTask("nasbench201/x", archs, np.arange(6.0), "error", "min")
    pairs = [(str(arch), -float(place)) for place, arch in enumerate(archs)]
    for evaluated, mode in ((table, "min"), (table, "max"), (pairs, "max")):
        searcher = MPNASSearch("nasbench201", "error", mode, predictor=None, seed=0, evaluated=evaluated)
        assert ask(searcher, "a")["arch"] not in {str(arch) for arch in archs}
        known, labels = searcher.observations.labels()
        assert known == [str(arch) for arch in archs]
        assert (np.diff(labels) < 0).all(), "an error: the first is the best"


def test_a_lost_trial_comes_again_first_with_what_was_drawn_for_it() -> None:
    searcher = RandomSearch("nasbench201", seed=0)
    searcher.set_search_properties("score", "max", {"lr": tune.uniform(0, 1)})
    configs = [ask(searcher, trial_id) for trial_id in ids(0, 3)]
    searcher.enqueue("trial-1", configs[1])
    assert ask(searcher, "again") == configs[1]
    assert ask(searcher, "next")["arch"] not in {config["arch"] for config in configs}
    assert set(searcher.observations.trials) == {"trial-0", "trial-2", "again", "next"}
