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
from mpnas_ray.spaces.operations import GLOBAL, KNOWN_AS, NUM_KNOWN

__all__ = ["GraphBatch", "graph_batch"]

_KNOWN_AS = torch.from_numpy(KNOWN_AS)


@dataclass(frozen=True)
class GraphBatch:
    """N architectures as padded tensors; node 0 is the global node, V counts it.

    Attributes:
        ops: int64 ``[N, V]``, an index into `KINDS`; 0 where there is no node.
        adjacency: float32 ``[N, V, V]``; ``[n, i, j]`` is 1 where node j reads node i. The global node reads every
            node.
        mask: bool ``[N, V]``, True where there is a node.
        attributes: float32 ``[N, V, A]``, see `mpnas_ray.spaces.OperationGraphs`; None where there are none.
    """

    ops: Tensor
    adjacency: Tensor
    mask: Tensor
    attributes: Tensor | None = None

    def __len__(self) -> int:
        return len(self.ops)

    def __getitem__(self, rows: Tensor | slice) -> GraphBatch:
        """Select the architectures of these rows."""
        attributes = None if self.attributes is None else self.attributes[rows]
        return GraphBatch(self.ops[rows], self.adjacency[rows], self.mask[rows], attributes)

    @property
    def num_features(self) -> int:
        """Count the numbers that describe a node: those of `KNOWN_AS` for its kind, then its attributes."""
        return NUM_KNOWN + (0 if self.attributes is None else self.attributes.shape[2])

    def features(self) -> Tensor:
        """Describe the nodes, float32 ``[N, V, num_features]``."""
        kinds = _KNOWN_AS.to(self.ops.device)[self.ops].to(torch.float32)
        return kinds if self.attributes is None else torch.cat([kinds, self.attributes], dim=2)


def graph_batch(archs: Architectures | Iterable[Architecture | str], device: torch.device | str = "cpu") -> GraphBatch:
    """Turn architectures of one space into one batch, without a loop over them."""
    graphs = Architectures.of(archs).graphs()
    there = graphs.kinds >= 0
    mask = np.pad(there, ((0, 0), (1, 0)), constant_values=True)
    ops = np.pad(np.where(there, graphs.kinds, 0), ((0, 0), (1, 0)), constant_values=GLOBAL)
    adjacency = np.pad(graphs.edges, ((0, 0), (1, 0), (1, 0)))
    adjacency[:, 1:, 0] = there
    attributes = None
    if graphs.attributes is not None:
        padded = np.pad(graphs.attributes, ((0, 0), (1, 0), (0, 0)))
        attributes = torch.from_numpy(padded).to(device, torch.float32)
    return GraphBatch(
        torch.from_numpy(ops).to(device, torch.int64),
        torch.from_numpy(adjacency).to(device, torch.float32),
        torch.from_numpy(mask).to(device),
        attributes,
    )
