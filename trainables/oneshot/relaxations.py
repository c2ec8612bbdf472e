"""Relaxations: functions that make the gates of one forward pass, by drawing an architecture or from logits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from trainables.oneshot.gates import Gates, Weight, gates_of, make_gates, mixture
from trainables.oneshot.search import Relaxation, Search
from trainables.oneshot.skeleton import Skeleton

__all__ = [
    "concentrations",
    "dirichlet",
    "drawn",
    "drawn_by_policy",
    "gumbel_one_hot",
    "hard_gumbel",
    "link_groups",
    "path_dropout",
    "shown_weights",
    "sigmoid",
    "softmax",
    "softmax_weights",
    "uniform",
    "weighted_links",
]


def drawn(search: Search, relaxation: Relaxation) -> Gates | list[Gates]:
    """Make gates, with the path dropping of this epoch."""
    gates = relaxation(search)
    probability = search.settings.drop_path * search.progress
    if probability == 0:
        return gates
    if isinstance(gates, Gates):
        return replace(gates, drop_path=probability, generator=search.generator)
    return [replace(one, drop_path=probability, generator=search.generator) for one in gates]


def uniform(search: Search) -> Gates:
    """Draw one architecture, as the space draws it."""
    return gates_of(search.skeleton.sample(1, search.rng)[0])


def drawn_by_policy(search: Search) -> Gates:
    """Let the policy draw one architecture."""
    assert search.policy is not None, f"{search.method.name} has no policy"
    return gates_of(search.policy.draw(1, search.generator)[0])


def path_dropout(search: Search) -> list[Gates]:
    """Open all operations but some that are dropped at random, anew for each cell (Bender et al., ICML 2018).

    A node that k paths lead to loses each of them with probability r^(1/k), and so all of them with probability r,
    whatever k is. The probability of each rises from 0 in the first epoch. Of cells with free edges, edges are paths,
    too.
    """
    skeleton, rate = search.skeleton, search.settings.path_dropout
    return [_dropped(skeleton, rate, search.progress, search.rng) for _ in range(search.net.num_cells)]


def _dropped(skeleton: Skeleton, rate: float, progress: float, rng: np.random.Generator) -> Gates:
    def drops(num_paths: int, size: int) -> list[bool]:
        probability = progress * rate ** (1 / num_paths)
        return [bool(draw < probability) for draw in rng.random(size)]

    operations: dict[int, dict[int, Weight]] = {}
    for group in _nodes(skeleton):
        num_paths = sum(len(skeleton.kinds[vertex]) for vertex in group)
        for vertex in group:
            kinds = skeleton.kinds[vertex]
            dropped = drops(num_paths, len(kinds))
            operations[vertex] = {kind: 1.0 for kind, gone in zip(kinds, dropped, strict=True) if not gone}
    edges = skeleton.edges
    if not skeleton.slots:
        edges = edges.copy()
        for vertex in np.flatnonzero(edges.any(axis=0)).tolist():
            sources = np.flatnonzero(edges[:, vertex])
            edges[sources[drops(len(sources), len(sources))], vertex] = 0
    return make_gates(operations, edges)


def _nodes(skeleton: Skeleton) -> list[list[int]]:
    """Group the vertices by the node that they lead to: vertices that the same others read are added up."""
    groups: dict[object, list[int]] = {}
    for vertex, kinds in enumerate(skeleton.kinds):
        if kinds:
            key = skeleton.edges[vertex].tobytes() if skeleton.slots else vertex
            groups.setdefault(key, []).append(vertex)
    return list(groups.values())


def softmax_weights(search: Search) -> Tensor:
    """Compute the softmax of the logits of each slot, ``[slots, choices]``."""
    return torch.softmax(search.logits.masked(), dim=1)


def softmax(search: Search) -> Gates:
    """Weight the operations of a slot by the softmax of its logits (DARTS, Liu et al., ICLR 2019)."""
    return mixture(search.skeleton, softmax_weights(search), search.logits.open_choices())


def shown_weights(search: Search) -> Tensor:
    """Compute the weights of all choices by which a method compares them, ``[slots, choices]``; 0 where closed."""
    if search.method.arch_gates is not sigmoid:
        return softmax_weights(search)
    return torch.sigmoid(search.logits.masked())


def weighted_links(search: Search) -> Gates:
    """Weight the links, too, by the softmax of the logits of those into one node (PC-DARTS, Xu et al., ICLR 2020)."""
    links = search.logits.links
    parts = [torch.softmax(links[group], dim=0) for group in link_groups(search.skeleton)]
    order = torch.tensor([slot for group in link_groups(search.skeleton) for slot in group], device=links.device)
    link_weights = torch.cat(parts)[order.argsort()]
    return mixture(search.skeleton, softmax_weights(search), search.logits.open_choices(), link_weights)


def link_groups(skeleton: Skeleton) -> list[list[int]]:
    """Group the slots by the node that their vertices lead to."""
    slot_of = {slot.vertex: number for number, slot in enumerate(skeleton.slots)}
    return [[slot_of[vertex] for vertex in group if vertex in slot_of] for group in _nodes(skeleton)]


def sigmoid(search: Search) -> Gates:
    """Weight each operation by the sigmoid of its own logit (FairDARTS, Chu et al., ECCV 2020)."""
    weights = torch.sigmoid(search.logits.operations)
    return mixture(search.skeleton, weights, search.logits.open_choices())


def hard_gumbel(search: Search) -> Gates:
    """Draw one operation a slot by its probability, with the gradient of Gumbel softmax (GDAS, Dong and Yang, CVPR
    2019).

    The temperature falls linearly from the first to the last epoch. Only the operation drawn is computed.
    """
    first, last = search.settings.temperature
    temperature = first + (last - first) * search.progress
    one_hot = gumbel_one_hot(search.logits.masked(), temperature, search.generator)
    return mixture(search.skeleton, one_hot, one_hot.detach().cpu().numpy() > 0.5)


def gumbel_one_hot(logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """Draw one of each row's choices: one-hot in value, with the gradient of a softmax.

    Args:
        logits: Logits ``[rows, choices]``, minus infinity for choices that are not to be drawn.
        temperature: Temperature of the softmax, above 0.
        generator: Generator on the CPU.
    """
    log_p = torch.log_softmax(logits, dim=1)
    uniform = torch.rand(logits.shape, generator=generator, dtype=torch.float64).clamp_(1e-20, 1 - 1e-16)
    gumbel = -torch.log(-torch.log(uniform))
    soft = torch.softmax((log_p + gumbel.to(logits)) / temperature, dim=1)
    hard = torch.zeros_like(soft).scatter(1, soft.argmax(dim=1, keepdim=True), 1.0)
    return hard + (soft - soft.detach())


def concentrations(logits: Tensor) -> Tensor:
    """Compute the concentrations elu(a) + 1 of DrNAS."""
    return torch.nn.functional.elu(logits) + 1


def dirichlet(search: Search) -> Gates:
    """Draw the weights of each slot's operations from a Dirichlet distribution (DrNAS, Chen et al., ICLR 2021).

    The gradient with respect to the concentrations is that of the draw itself; draws are of torch's random state.
    """
    alphas = search.logits
    least = torch.finfo(torch.float32).tiny
    concentration = concentrations(alphas.operations).clamp_min(least)
    rows = []
    for row, is_open in zip(concentration.cpu().unbind(), alphas.is_open.cpu().unbind(), strict=True):
        weights = torch.zeros_like(row)
        rows.append(weights.masked_scatter(is_open, torch.distributions.Dirichlet(row[is_open]).rsample()))
    weights = torch.stack(rows).to(concentration.device)
    return mixture(search.skeleton, weights, alphas.open_choices())
