from __future__ import annotations

import numpy as np
import pytest
import torch

from mpnas_ray.spaces import SPACE_NAMES, get_space
from trainables.oneshot.policy import Policy, allowed_values, reinforce_loss
from trainables.oneshot.skeleton import skeleton_of

CASES = [*((space, None) for space in SPACE_NAMES if not get_space(space).has_attributes), ("mixed", "nasbench201")]


def policy(space: str, family: str | None = None) -> Policy:
    torch.manual_seed(0)
    return Policy(skeleton_of(get_space(space), family))


@pytest.mark.parametrize(("space", "family"), CASES)
def test_a_policy_draws_cells_of_its_space(space: str, family: str | None) -> None:
    drawn = policy(space, family).draw(20, torch.Generator().manual_seed(0))
    for arch in drawn:
        assert get_space(space).parse(str(arch)) == arch
        assert family is None or str(arch).startswith(f"mixed:{family}:")
    assert len({str(arch) for arch in drawn}) > 5


@pytest.mark.parametrize(("space", "family"), CASES)
def test_every_cell_can_be_drawn(space: str, family: str | None) -> None:
    skeleton = skeleton_of(get_space(space), family)
    codes = skeleton.sample(30, np.random.default_rng(0)).codes
    for place in range(codes.shape[1]):
        allowed = allowed_values(skeleton, codes[:, :place])
        assert allowed[np.arange(len(codes)), codes[:, place].astype(int) + 1].all(), place


def test_probabilities_of_all_cells_add_up_to_1() -> None:
    with torch.no_grad():
        log_probs, _ = policy("transnasbench101").log_prob(get_space("transnasbench101").enumerate())
    assert float(log_probs.exp().sum()) == pytest.approx(1.0, abs=1e-4)


def test_reinforce_estimates_the_gradient_of_the_expected_reward() -> None:
    """The mean of its gradient over all draws is that gradient, whatever the baseline."""
    drawing = policy("transnasbench101").double()
    archs = get_space("transnasbench101").enumerate()[::16]
    rewards = torch.rand(len(archs), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    log_probs, _ = drawing.log_prob(archs)
    log_probs = log_probs - log_probs.logsumexp(dim=0)  # the policy on these cells alone
    p = log_probs.exp()
    parameters = list(drawing.parameters())
    exact = torch.autograd.grad((p * rewards).sum(), parameters, retain_graph=True, allow_unused=True)
    for baseline in (0.0, 0.7):
        loss = reinforce_loss(p.detach() * len(p) * log_probs, rewards, baseline)
        found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
        for one, other in zip(exact, found, strict=True):
            assert (one is None) == (other is None)
            assert one is None or torch.allclose(one, -other, atol=1e-12)


def test_a_policy_learns_which_cells_are_rewarded() -> None:
    drawing, generator = policy("transnasbench101"), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(drawing.parameters(), lr=0.05)

    def skips() -> float:
        return float((drawing.draw(60, generator).codes == 1).mean())

    before = skips()
    for _ in range(15):
        archs = drawing.draw(20, generator)
        log_probs, _ = drawing.log_prob(archs)
        rewards = torch.from_numpy((archs.codes == 1).mean(axis=1))
        optimizer.zero_grad()
        reinforce_loss(log_probs, rewards, rewards.mean()).backward()
        optimizer.step()
    assert skips() > before + 0.2
