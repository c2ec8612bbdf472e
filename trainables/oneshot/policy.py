"""A policy that writes architectures code by code, as the controller of ENAS does (Pham et al., ICML 2018).

It is an LSTM over the codes of a space's cells. Codes that no cell begins with are not drawn: of NAS-Bench-101, an edge
is drawn only where one of the space's graphs has it together with the edges before.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mpnas_ray.spaces import Architectures, SearchSpace
from mpnas_ray.spaces.mixed import Mixed
from mpnas_ray.spaces.nasbench101 import topologies
from mpnas_ray.spaces.operation_graph import ABSENT
from trainables.oneshot.skeleton import Skeleton, choices_of

__all__ = ["Policy", "allowed_values", "reinforce_loss"]

_HIDDEN = 64
_TANH, _TEMPERATURE = 2.5, 5.0
"""Logits are 2.5 tanh(z / 5): the values of ENAS on NAS-Bench-201 (Dong and Yang 2020)."""


class Policy(nn.Module):
    """A distribution over the architectures of a space.

    Attributes:
        baseline: Moving average of the rewards.
    """

    baseline: Tensor

    def __init__(self, skeleton: Skeleton) -> None:
        """Draw the weights, within -0.1 ... 0.1, from torch's current random state."""
        super().__init__()
        self._skeleton = skeleton
        space = skeleton.space
        self._length, self._values = space.code_length, _num_values(space)
        self.start = nn.Parameter(torch.empty(_HIDDEN))
        self.cell = nn.LSTMCell(_HIDDEN, _HIDDEN)
        self.embedding = nn.Parameter(torch.empty(self._length, self._values, _HIDDEN))
        self.head = nn.Parameter(torch.empty(self._length, _HIDDEN, self._values))
        self.register_buffer("baseline", torch.zeros(()))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.1, 0.1)

    @torch.no_grad()
    def draw(self, n: int, generator: torch.Generator) -> Architectures:
        """Draw ``n`` independent architectures; the generator is on the CPU."""
        codes = np.full((n, self._length), ABSENT, dtype=np.int8)
        for place, log_p in enumerate(self._steps(codes)):
            drawn = torch.multinomial(log_p.exp().cpu(), 1, generator=generator)[:, 0]
            codes[:, place] = drawn.numpy() + ABSENT
        return Architectures(self._skeleton.space, codes)

    def log_prob(self, archs: Architectures) -> tuple[Tensor, Tensor]:
        """Compute the log probability of each architecture, ``[N]``, and the sum of its choices' entropies, ``[N]``."""
        log_probs, entropies = [], []
        for place, log_p in enumerate(self._steps(archs.codes)):
            taken = torch.from_numpy(archs.codes[:, place].astype(np.int64) - ABSENT).to(log_p.device)
            log_probs.append(log_p.gather(1, taken[:, None])[:, 0])
            entropies.append(-(log_p.exp() * log_p.clamp_min(-100.0)).sum(dim=1))
        return torch.stack(log_probs).sum(dim=0), torch.stack(entropies).sum(dim=0)

    def _steps(self, codes: NDArray[np.int8]) -> Iterator[Tensor]:
        """Yield for each place the log probabilities ``[N, values]`` given the codes before it.

        ``codes [N, length]`` may be written while this goes on, each place after its probabilities are yielded.
        """
        n, device = len(codes), self.start.device
        inputs = self.start.expand(n, -1)
        state = None
        for place in range(self._length):
            hidden, memory = self.cell(inputs, state)
            state = hidden, memory
            logits = _TANH * torch.tanh(hidden @ self.head[place] / _TEMPERATURE)
            allowed = torch.from_numpy(allowed_values(self._skeleton, codes[:, :place])).to(device)
            yield torch.log_softmax(logits.masked_fill(~allowed, -torch.inf), dim=1)
            taken = torch.from_numpy(codes[:, place].astype(np.int64) - ABSENT).to(device)
            inputs = self.embedding[place][taken]


def reinforce_loss(log_probs: Tensor, rewards: Tensor, baseline: Tensor | float) -> Tensor:
    """Compute the loss whose gradient estimates minus that of the expected reward (Williams 1992).

    Args:
        log_probs: Log probability of each draw, ``[N]``.
        rewards: Reward of each, ``[N]``.
        baseline: Number that does not depend on the draws; it changes the variance of the estimate, not its mean.
    """
    return -((rewards - baseline).detach() * log_probs).mean()


def allowed_values(skeleton: Skeleton, before: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Find the values that the next code of a cell can have.

    Args:
        skeleton: Skeleton of the space.
        before: The codes before it, ``[N, place]``.

    Returns:
        bool ``[N, values]``; column c stands for the code c - 1, as codes begin at -1.
    """
    space, values = skeleton.space, _num_values(skeleton.space)
    if not isinstance(space, Mixed):
        return _allowed(space, before, values)
    allowed = np.zeros((len(before), values), dtype=bool)
    if before.shape[1] == 0:
        names = [family.name for family in space.families]
        allowed[:, [number + 1 for number, name in enumerate(names) if skeleton.family in (None, name)]] = True
        return allowed
    for number, family in enumerate(space.families):
        rows = np.flatnonzero(before[:, 0] == number)
        allowed[rows] = _allowed(family, before[rows, 1:], values)
    return allowed


def _num_values(space: SearchSpace) -> int:
    """Count the values of a code, with -1: operations, the two of an edge, the families of the mixed space."""
    return 1 + max(len(space.operations), 2)


def _allowed(own: SearchSpace, before: NDArray[np.int8], values: int) -> NDArray[np.bool_]:
    allowed = np.zeros((len(before), values), dtype=bool)
    place, sizes = before.shape[1], choices_of(own)
    if place >= own.code_length:
        allowed[:, 0] = True
        return allowed
    if sizes is not None:
        allowed[:, 1 : 1 + sizes[place]] = True
        return allowed
    bits, inner = topologies()
    num_edges = bits.shape[1]
    begins = (before[:, None, :num_edges] == bits[None, :, : min(place, num_edges)]).all(axis=2)
    if place < num_edges:
        for value in (0, 1):
            allowed[:, 1 + value] = (begins & (bits[:, place] == value)).any(axis=1)
        return allowed
    there = inner[begins.argmax(axis=1)] > place - num_edges
    allowed[:, 0] = ~there
    allowed[:, 1 : 1 + len(own.operations)] = there[:, None]
    return allowed
