from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from mpnas_ray.spaces import Architecture, Architectures
from trainables.oneshot.discretising import (
    argmax,
    argmax_without_zero,
    best_of_uniform,
    most_probable,
    project_next_slot,
    threshold,
)
from trainables.oneshot.gates import Gates
from trainables.oneshot.search import Search
from trainables.oneshot.training import SupernetTraining

MakeTraining = Callable[..., SupernetTraining]


def with_logits(search: Search, rows: list[list[float]]) -> Search:
    search.logits.operations.data = torch.tensor(rows)
    return search


def choices(search: Search, arch: Architecture) -> list[int]:
    return search.skeleton.choices(Architectures.of([arch]))[0].tolist()


def test_most_probable_combinations_are_those_of_brute_force() -> None:
    log_p = np.log(np.random.default_rng(0).dirichlet(np.ones(4), size=5))
    log_p[2, 1] = -np.inf
    everything = np.indices((4,) * 5).reshape(5, -1).T
    sums = log_p[np.arange(5), everything].sum(axis=1)
    assert most_probable(log_p, 100).tolist() == everything[np.argsort(-sums, kind="stable")[:100]].tolist()
    assert len(most_probable(log_p, 10_000)) == 4**4 * 3


def test_zero_wins_only_where_the_rule_lets_it(make_training: MakeTraining) -> None:
    search = with_logits(make_training("gdas").search, [[3.0, 1.0, 0.0, 2.0]] * 6)
    assert choices(search, argmax(search, True)) == [0] * 6
    assert choices(search, argmax_without_zero(search, True)) == [3] * 6
    search.logits.is_open[1] = torch.tensor([True, False, False, False])
    assert choices(search, argmax_without_zero(search, True)) == [3, 0, 3, 3, 3, 3]


def test_leaving_out_a_skip_of_a_chain_is_no_zero(make_training: MakeTraining) -> None:
    search = make_training("darts", "nasbenchasr").search
    search.logits.operations.data[3:, 0] = 1.0
    assert choices(search, argmax_without_zero(search, True))[3:] == [0] * 6


def test_fair_links_stay_empty_below_the_threshold(make_training: MakeTraining) -> None:
    search = with_logits(make_training("fairdarts").search, [[9.0, 1.0, 0.0, 1.7], [9.0, 3.0, 1.8, 0.0]] * 3)
    assert choices(search, threshold(search, True)) == [0, 1] * 3  # sigmoid(1.7) = 0.846


def test_the_best_by_score_is_chosen(make_training: MakeTraining, monkeypatch: pytest.MonkeyPatch) -> None:
    search = make_training("rsps", num_samples=30).search

    def count_skips(_: Search, archs: Architectures, most: int | None = None) -> list[float]:
        return [float("nan") if row[0] == 0 else float((row == 1).sum()) for row in archs.codes]

    monkeypatch.setattr("trainables.oneshot.discretising.one_shot_scores", count_skips)
    search.begin(0)
    drawn = search.skeleton.sample(30, np.random.default_rng([0, 0]))
    best = choices(search, best_of_uniform(search, True))
    assert best.count(1) == max((row == 1).sum() for row in drawn.codes if row[0] != 0)


def test_perturbation_keeps_the_operation_whose_removal_costs_most(
    make_training: MakeTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights of what remains stay as they were, and of equal costs the first counts."""
    search = make_training("darts-pt", epochs=2, tune_epochs=3).search
    seen = []

    def only_conv1(_: Search, gates: Gates) -> float:
        weights = [{kind: weight.item() for kind, weight in gates.operations[v].items()} for v in range(1, 7)]
        seen.append(weights)
        return sum(kinds.get(0, 0.0) for kinds in weights)  # the kind conv1-d1

    monkeypatch.setattr("trainables.oneshot.discretising.one_shot_metric", only_conv1)
    for epoch in range(2 + 3 * 5):
        search.begin(epoch)
        project_next_slot(search)
        projected = int((search.logits.is_open.sum(dim=1) == 1).sum())
        assert projected == (0 if epoch == 0 else 1 + (epoch - 1) // 3)
    assert choices(search, argmax_without_zero(search, True)) == [2] * 6
    first = next(weights for weights in seen[1] if len(weights) == 2)  # without a skip
    assert all(weight == pytest.approx(0.25, abs=1e-3) for weight in first.values()), "not renormalised"


def test_of_operations_that_cost_the_same_the_first_stays(
    make_training: MakeTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = make_training("darts-pt-fixed", epochs=1).search
    monkeypatch.setattr("trainables.oneshot.discretising.one_shot_metric", lambda _search, _gates: 0.5)
    search.begin(0)
    project_next_slot(search)
    slot = int(np.random.default_rng(0).permutation(6)[0])
    assert search.logits.is_open[slot].tolist() == [True, False, False, False]
