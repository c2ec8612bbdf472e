from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from trainables.oneshot.gates import Gates
from trainables.oneshot.relaxations import (
    concentrations,
    dirichlet,
    gumbel_one_hot,
    hard_gumbel,
    link_groups,
    path_dropout,
    softmax,
    softmax_weights,
    weighted_links,
)
from trainables.oneshot.search import Search
from trainables.oneshot.training import SupernetTraining

MakeTraining = Callable[..., SupernetTraining]


def test_gumbel_draws_are_one_hot_by_probability_and_reach_all_logits() -> None:
    logits = torch.tensor([[0.0, 1.0, -1.0, -torch.inf]]).repeat(20_000, 1).requires_grad_()
    drawn = gumbel_one_hot(logits, 3.0, torch.Generator().manual_seed(0))
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    assert (drawn.sum(dim=1) == 1).all()
    expected = torch.softmax(logits[0].detach(), dim=0)
    assert torch.allclose(drawn.mean(dim=0), expected, atol=0.012)
    (drawn[:, 0] * 2).sum().backward()
    assert (logits.grad[:, :3] != 0).all()
    assert (logits.grad[:, 3] == 0).all()


def test_gdas_computes_only_what_it_draws(make_training: MakeTraining) -> None:
    search = make_training("gdas", "nasbench201").search
    search.begin(0)
    for _ in range(5):
        gates = hard_gumbel(search)
        assert all(len(weights) <= 1 for weights in gates.operations.values())
        assert {w.item() for weights in gates.operations.values() for w in weights.values()} == {1.0}


def test_gdas_cools_down(make_training: MakeTraining, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    search = make_training("gdas", epochs=4).search

    def note(logits: torch.Tensor, temperature: float, _: torch.Generator) -> torch.Tensor:
        seen.append(temperature)
        return torch.softmax(logits, dim=1)

    monkeypatch.setattr("trainables.oneshot.relaxations.gumbel_one_hot", note)
    for epoch in range(4):
        search.begin(epoch)
        hard_gumbel(search)
    assert seen == pytest.approx([10.0, 6.7, 3.4, 0.1])


def weights_of(search: Search, gates: Gates) -> torch.Tensor:
    """Weights [slots, choices] of the operations that have a module."""
    return torch.stack([torch.stack(list(gates.operations[slot.vertex].values())) for slot in search.skeleton.slots])


def test_dirichlet_draws_have_the_mean_of_their_concentrations(make_training: MakeTraining) -> None:
    search = make_training("drnas").search
    search.logits.operations.data = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    mean = torch.stack([weights_of(search, dirichlet(search)).detach() for _ in range(300)]).mean(dim=0)
    beta = concentrations(search.logits.operations.detach())
    assert torch.allclose(mean, (beta / beta.sum(dim=1, keepdim=True))[:, 1:], atol=0.07)  # the first is zero


def test_dirichlet_gradients_are_finite_at_small_concentrations(make_training: MakeTraining) -> None:
    search = make_training("drnas").search
    search.logits.operations.data.fill_(-12.0)
    (weights_of(search, dirichlet(search)) * torch.arange(3.0)).sum().backward()
    assert torch.isfinite(search.logits.operations.grad).all()


@pytest.mark.parametrize("space", ["nasbench201", "nasbench101"])
def test_paths_into_a_node_are_all_dropped_with_one_probability(make_training: MakeTraining, space: str) -> None:
    """Vertex 1 of NAS-Bench-201 alone leads to its state, by 4 paths; of NAS-Bench-101, it has 3 operations."""
    search = make_training("oneshot", space, path_dropout=0.2).search
    search.begin(2)
    draws = [gates for _ in range(400) for gates in path_dropout(search)]
    lost = np.mean([not gates.operations[1] for gates in draws])
    assert lost == pytest.approx(0.2, abs=0.035)
    one = 1 not in draws[0].operations[1]
    assert any((1 not in gates.operations[1]) != one for gates in draws[: search.net.num_cells * 20])


def test_nothing_is_dropped_in_the_first_epoch(make_training: MakeTraining) -> None:
    search = make_training("oneshot", "nasbench201", path_dropout=0.5).search
    search.begin(0)
    for gates in path_dropout(search):
        assert {vertex: len(weights) for vertex, weights in gates.operations.items()} == dict.fromkeys(range(1, 7), 4)


def test_equal_link_logits_give_each_link_its_share(make_training: MakeTraining) -> None:
    search = make_training("pc-darts", "nasbench201", start_scale=0.0).search
    assert link_groups(search.skeleton) == [[0], [1, 2], [3, 4, 5]]
    scales = weighted_links(search).scales
    assert [scales[vertex].item() for vertex in range(1, 7)] == pytest.approx([1, 1 / 2, 1 / 2, 1 / 3, 1 / 3, 1 / 3])


def test_one_part_without_link_weights_is_darts(make_training: MakeTraining) -> None:
    """The nets have the same weights then, and the gates differ by the links' weights alone."""
    inputs = torch.randn(4, 1, 8)
    whole, darts = (make_training(method, partial=1).search for method in ("pc-darts", "darts"))
    gates = weighted_links(whole)
    unlinked = Gates(gates.plan, gates.operations)
    assert torch.equal(whole.net(inputs, unlinked), darts.net(inputs, softmax(darts)))


def test_softmax_weights_are_shared_among_open_choices(make_training: MakeTraining) -> None:
    search = make_training("darts").search
    search.logits.is_open[2] = torch.tensor([False, True, False, True])
    weights = softmax_weights(search)
    assert torch.allclose(weights.sum(dim=1), torch.ones(6))
    assert (weights[2, [0, 2]] == 0).all()
