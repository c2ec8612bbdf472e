"""Steps of the architecture: how logits or a policy are fitted to the samples kept for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from trainables.oneshot.gates import gates_of
from trainables.oneshot.policy import reinforce_loss
from trainables.oneshot.relaxations import drawn
from trainables.oneshot.scoring import untracked
from trainables.oneshot.search import Batch, Search

__all__ = [
    "arch_loss",
    "first_order",
    "implicit_term",
    "largest_curvature",
    "second_order",
    "train_policy",
    "zero_one",
]

_RADIUS = 0.01
"""Length of the step by which DARTS differentiates gradients, in weights."""

_ENTROPY_WEIGHT = 1e-4
_BASELINE_DECAY = 0.99
"""ENAS's (melodyguan/enas): weight of the entropy in the reward, and decay of the rewards' moving average."""

_ZERO_ONE_WEIGHT = 10.0
"""FairDARTS's weight of its zero-one loss."""


def arch_loss(search: Search, batch: Batch) -> Tensor:
    """Compute the loss of a batch at the gates of the logits, with the method's penalty."""
    assert search.method.arch_gates is not None, f"{search.method.name} has no gates of logits"
    with untracked(search.net):
        outputs = search.net(batch.inputs, drawn(search, search.method.arch_gates))
    loss = search.data.loss(outputs, batch.targets)
    return loss if search.method.penalty is None else loss + search.method.penalty(search)


def first_order(search: Search, held: Batch, _: Batch) -> None:
    """Step the logits down the gradient of the loss at the present weights (DARTS, Eq. 7 with xi = 0).

    Args:
        search: Search.
        held: Batch that fits logits.
    """
    logits = list(search.logits.parameters())
    _step(search, torch.autograd.grad(arch_loss(search, held), logits, allow_unused=True))


def second_order(search: Search, held: Batch, fitting: Batch) -> None:
    """Step the logits down the gradient of the loss at the weights after their next step (DARTS, Eq. 7 and 8).

    Args:
        search: Search; its weights are afterwards those from before, bit for bit.
        held: Batch that fits logits.
        fitting: Batch that fits weights.
    """
    logits, weights = list(search.logits.parameters()), list(search.net.parameters())
    before = [weight.detach().clone() for weight in weights]
    gradients = torch.autograd.grad(arch_loss(search, fitting), weights, allow_unused=True)
    group = search.weight_optimizer.param_groups[0]
    rate = group["lr"]
    with torch.no_grad():
        for weight, gradient in zip(weights, gradients, strict=True):
            if gradient is not None:
                step = gradient + group["weight_decay"] * weight
                momentum = search.weight_optimizer.state[weight].get("momentum_buffer")
                weight.sub_(rate * (step if momentum is None else step + group["momentum"] * momentum))
    outer = torch.autograd.grad(arch_loss(search, held), [*logits, *weights], allow_unused=True)
    direct, vector = outer[: len(logits)], outer[len(logits) :]
    implicit = implicit_term(lambda: arch_loss(search, fitting), logits, weights, before, vector, _RADIUS)
    with torch.no_grad():
        for weight, value in zip(weights, before, strict=True):
            weight.copy_(value)
    total = [None if d is None else torch.sub(d, i, alpha=rate) for d, i in zip(direct, implicit, strict=True)]
    _step(search, total)


def implicit_term(
    loss: Callable[[], Tensor],
    logits: Sequence[Tensor],
    weights: Sequence[Tensor],
    at: Sequence[Tensor],
    vector: Sequence[Tensor | None],
    radius: float,
) -> list[Tensor]:
    """Compute by central differences the mixed second derivative of a loss times a vector (DARTS, Eq. 8).

    The difference of two gradients is divided by 2 eps, all of it: without the brackets, as in some published
    programs, the term all but vanishes.

    Args:
        loss: Function that computes the loss at the present values.
        logits: Logits, by which the gradients are taken.
        weights: Weights, which are left at other values.
        at: Weights at which to take the derivative.
        vector: Vector in the space of the weights; None for 0.
        radius: Length of the step to both sides.

    Returns:
        d2 loss / (d logits d weights) times the vector, in the shapes of the logits.
    """
    length = torch.sqrt(sum((v.square().sum() for v in vector if v is not None), torch.zeros((), device=at[0].device)))
    if length == 0:
        return [torch.zeros_like(a) for a in logits]
    epsilon = radius / length
    sides = []
    for sign in (1, -1):
        with torch.no_grad():
            for weight, value, direction in zip(weights, at, vector, strict=True):
                weight.copy_(value if direction is None else value + sign * epsilon * direction)
        found = torch.autograd.grad(loss(), list(logits), allow_unused=True)
        sides.append([torch.zeros_like(a) if g is None else g for a, g in zip(logits, found, strict=True)])
    return [(plus - minus) / (2 * epsilon) for plus, minus in zip(*sides, strict=True)]


def zero_one(search: Search) -> Tensor:
    """Compute FairDARTS's penalty: 10 times minus the mean squared distance of the sigmoids from one half.

    The mean is within -0.25 ... 0, least where every sigmoid is 0 or 1; at logits of 0 its gradient is 0.
    """
    weights = torch.sigmoid(search.logits.operations)[search.logits.is_open]
    return -_ZERO_ONE_WEIGHT * (weights - 0.5).square().mean()


def train_policy(search: Search) -> None:
    """Train the policy by REINFORCE, each reward being the score of a drawn architecture on one batch (ENAS).

    The reward is the task's metric, turned so that higher is better, and a little of the draw's entropy. The moving
    average of rewards goes on from step to step and epoch to epoch.
    """
    policy, optimizer = search.policy, search.arch_optimizer
    assert policy is not None, f"{search.method.name} has no policy"
    assert optimizer is not None, f"{search.method.name} has no optimiser of its policy"
    for _ in range(search.settings.policy_steps):
        archs = policy.draw(search.settings.policy_draws, search.generator)
        scores = []
        for arch in archs:
            batch = search.random_batch(search.data.alphas)
            with torch.no_grad(), untracked(search.net):
                outputs = search.data.decoder(search.net(batch.inputs, gates_of(arch)))
            scores.append(search.data.better(search.data.task.metric(outputs, batch.targets)))
        log_probs, entropies = policy.log_prob(archs)
        rewards = torch.tensor(scores, device=log_probs.device) + _ENTROPY_WEIGHT * entropies.detach()
        with torch.no_grad():
            policy.baseline.mul_(_BASELINE_DECAY).add_((1 - _BASELINE_DECAY) * rewards.mean())
        optimizer.zero_grad()
        reinforce_loss(log_probs, rewards, policy.baseline).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def largest_curvature(search: Search, batch: Batch) -> float:
    """Compute the largest eigenvalue of the loss's Hessian by the logits of operations, exactly.

    The weight decay of the logits adds to it, as to the loss that they are fitted to (RobustDARTS).
    """
    logits = search.logits.operations
    (gradient,) = torch.autograd.grad(arch_loss(search, batch), logits, create_graph=True)
    chosen = search.logits.is_open.flatten().nonzero()[:, 0].tolist()
    rows = [
        torch.autograd.grad(gradient.flatten()[place], logits, retain_graph=True)[0].flatten()[chosen]
        for place in chosen
    ]
    hessian = torch.stack(rows).double().cpu()
    largest = torch.linalg.eigvalsh((hessian + hessian.T) / 2)[-1].item()
    return float(largest + search.settings.arch_weight_decay)


def _step(search: Search, gradients: Sequence[Tensor | None]) -> None:
    """Step the optimiser of the logits; logits without a gradient stay as they are."""
    assert search.arch_optimizer is not None, f"{search.method.name} has no optimiser of its logits"
    for logit, gradient in zip(search.logits.parameters(), gradients, strict=True):
        logit.grad = gradient
    search.arch_optimizer.step()
