"""The comparison of searches of fronts, on a made-up table."""

from __future__ import annotations

import numpy as np
import pytest

from cluster.experiments.fronts.comparing import NUM_QUERIES, page_of
from cluster.experiments.fronts.methods import METHODS, Search
from cluster.experiments.fronts.problems import PARAMETERS, Ground, Problem
from mpnas_ray import get_space
from mpnas_ray.tables import TableTask

SPACE = get_space("nasbench201")
PROBLEM = Problem("nasbench201/cifar100", PARAMETERS)


@pytest.fixture(scope="module")
def tasks() -> dict[str, TableTask]:
    archs = SPACE.enumerate()
    scores = np.random.default_rng(0).normal(size=len(archs))
    measured = {PROBLEM.quality: scores, PROBLEM.short: scores + 0.1 * np.random.default_rng(1).normal(size=len(archs))}
    return {
        name: TableTask(name, archs, raw, "accuracy", "max", datasets=("cifar100",)) for name, raw in measured.items()
    }


@pytest.fixture(scope="module")
def ground(tasks: dict[str, TableTask]) -> Ground:
    return Ground.of(PROBLEM, tasks)


def test_the_truth_leaves_out_cells_without_a_path(ground: Ground) -> None:
    assert len(ground.objectives) == 15_625 - 341
    everything = list(ground.objectives)
    assert ground.regret(everything, len(everything)) == pytest.approx(0)
    assert ground.regret(everything, 0) == 1
    assert 0 < ground.regret(everything[:50], 50) <= ground.regret(everything[:50], 10) <= 1


@pytest.mark.parametrize("method", [name for name in METHODS if name not in ("mpnas", "mo-asha")])
def test_rivals_ask_for_different_cells_and_repeat_themselves(
    method: str, tasks: dict[str, TableTask], ground: Ground
) -> None:
    asked = METHODS[method](Search(PROBLEM, tasks, ground, 25, seed=1))

    assert len(asked) == len(set(asked)) == 25
    assert all(arch in SPACE for arch in asked)
    assert METHODS[method](Search(PROBLEM, tasks, ground, 25, seed=1)) == asked
    assert METHODS[method](Search(PROBLEM, tasks, ground, 25, seed=2)) != asked


def test_mo_asha_trains_whole_what_did_well_shortly(tasks: dict[str, TableTask], ground: Ground) -> None:
    asked, again, other = (METHODS["mo-asha"](Search(PROBLEM, tasks, ground, 25, seed)) for seed in (1, 1, 2))
    trained = [arch for arch in asked if arch]
    assert asked == again != other
    assert len(asked) == 25
    assert len(trained) == len(set(trained))
    assert 18 <= len(trained) < 25, "up to four short trainings for each whole one, a quarter of its epochs"
    assert asked[0] == "", "these come first"
    scores = dict(zip(map(str, tasks[PROBLEM.quality].archs), tasks[PROBLEM.quality].scores.tolist(), strict=True))
    assert np.mean([scores[arch] for arch in trained]) > 0.3, "0 on average, and parameters count too"


@pytest.mark.long
def test_mpnas_takes_part(tasks: dict[str, TableTask], ground: Ground) -> None:
    asked = METHODS["mpnas"](Search(PROBLEM, tasks, ground, 3, seed=0))

    assert len(set(asked)) == 3


def test_the_page_has_a_table_for_each_number_of_queries() -> None:
    rows = [
        {"problem": problem, "method": method, "regrets": [[value, value / 2], [value, value / 2]]}
        for problem in ("one", "two")
        for method, value in (("mpnas", 0.1), ("random", 0.4))
    ]
    head = {"command": "mpnas compare-fronts", "versions": {"numpy": "2"}, "machine": {"cores": 2}}

    page = page_of({**head, "queries": list(NUM_QUERIES), "rows": rows})

    assert "## After 30 queries" in page
    assert "40.0 [40.0, 40.0]" in page
    assert "5.0 [5.0, 5.0]" in page
