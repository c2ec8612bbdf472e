"""Architectures as one batch of graphs.

Every cell becomes a graph of at most V nodes of the kinds of `mpnas_ray.spaces.operations`, skip and zero being
nodes of their own, plus one global node that reads all others (BRP-NAS, Dudziak et al. 2020).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mpnas_ray.spaces import Architecture, Architectures
from mpnas_ray.spaces.operations import GLOBAL, KNOWN_AS

__all__ = ["GraphBatch", "graph_batch", "kind_features"]

_KNOWN_AS = torch.from_numpy(KNOWN_AS)


@dataclass(frozen=True)
class GraphBatch:
    """N architectures as padded tensors; node 0 is the global node, V counts it.

    Attributes:
        ops: int64 ``[N, V]``, an index into `KINDS`; 0 where there is no node.
        adjacency: float32 ``[N, V, V]``; ``[n, i, j]`` is 1 where node j reads node i. The global node reads every
            node.
        mask: bool ``[N, V]``, True where there is a node.
    """

    ops: Tensor
    adjacency: Tensor
    mask: Tensor

    def __len__(self) -> int:
        return len(self.ops)

    def __getitem__(self, rows: Tensor | slice) -> GraphBatch:
        """Select the architectures of these rows."""
        return GraphBatch(self.ops[rows], self.adjacency[rows], self.mask[rows])


def graph_batch(archs: Architectures | Iterable[Architecture | str], device: torch.device | str = "cpu") -> GraphBatch:
    """Turn architectures of one space into one batch, without a loop over them."""
    graphs = Architectures.of(archs).graphs()
    there = graphs.kinds >= 0
    mask = np.pad(there, ((0, 0), (1, 0)), constant_values=True)
    ops = np.pad(np.where(there, graphs.kinds, 0), ((0, 0), (1, 0)), constant_values=GLOBAL)
    adjacency = np.pad(graphs.edges, ((0, 0), (1, 0), (1, 0)))
    adjacency[:, 1:, 0] = there
    return GraphBatch(
        torch.from_numpy(ops).to(device, torch.int64),
        torch.from_numpy(adjacency).to(device, torch.float32),
        torch.from_numpy(mask).to(device),
    )


def kind_features(kinds: Tensor, dtype: torch.dtype) -> Tensor:
    """Encode kinds ``[...]`` as zeros and ones ``[..., 14]``, one-hot but for extensions (see `KNOWN_AS`)."""
    return _KNOWN_AS.to(kinds.device)[kinds].to(dtype)
