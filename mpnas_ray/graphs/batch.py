"""Architectures as one batch of graphs, and the message passing over it.

Every cell becomes a graph of at most V nodes of the 14 kinds of `mpnas_ray.spaces.operations`, skip and zero being
nodes of their own, plus one global node that reads all others (BRP-NAS, Dudziak et al. 2020). Two engines carry
messages between the nodes, with equal results:

    dense   batched matrix products over [N, V, V]; works under torch.func and on CUDA
    dgl     one block-diagonal DGLGraph of all nodes that are there; no padding, so for large or ragged graphs

The graph engine DGL is imported at its first use: it takes more than a second, and is not there for Python 3.12.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal, Protocol, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mpnas_ray.checks import require_one_of
from mpnas_ray.errors import PredictorError
from mpnas_ray.spaces import KINDS, Architecture, Architectures
from mpnas_ray.spaces.operations import GLOBAL

__all__ = ["Engine", "Flow", "GraphBatch", "MessagePassing", "Normalization", "graph_batch", "message_passing"]

Engine = Literal["auto", "dense", "dgl"]
Flow = Literal["forward", "reverse", "both"]
Normalization = Literal["none", "row", "sym"]

_DGL_FROM_NODES = 512
_DGL_FROM_NODES_RAGGED = 256
_RAGGED_FILL = 0.75
"""``engine="auto"`` takes DGL for graphs padded to that many nodes, or to fewer if less than three quarters of them are
there: measured, benchmarks/results/graph_batches.md."""


@dataclass(frozen=True)
class GraphBatch:
    """N architectures as padded tensors; node 0 is the global node, V counts it.

    Attributes:
        ops: int64 ``[N, V]``, an index into `KINDS`; 0 where there is no node.
        adjacency: float32 ``[N, V, V]``; ``[n, i, j]`` is 1 where node j reads node i. The global node reads every
            node.
        mask: bool ``[N, V]``, where there is a node.
    """

    ops: Tensor
    adjacency: Tensor
    mask: Tensor

    def __len__(self) -> int:
        return len(self.ops)

    def __getitem__(self, rows: Tensor | slice) -> GraphBatch:
        """The architectures of these rows."""
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


class MessagePassing(Protocol):
    """One way messages travel over a batch of graphs. ``nodes`` stands for the engine's own leading dimensions."""

    def features(self) -> Tensor:
        """One-hot node kinds, ``[nodes, 14]``."""
        ...

    def __call__(self, messages: Tensor) -> Tensor:
        """Sum over what each node reads: ``[nodes, C] -> [nodes, C]``."""
        ...

    def readout(self, states: Tensor) -> Tensor:
        """States of the global nodes: ``[nodes, C] -> [N, C]``."""
        ...


def message_passing(
    batch: GraphBatch, flow: Literal["forward", "reverse"], normalization: Normalization, engine: Engine = "auto"
) -> MessagePassing:
    """Prepare the passing of messages over a batch.

    Args:
        batch: The graphs.
        flow: ``forward``: a node reads those that feed it; ``reverse``: those it feeds, as in BRP-NAS's released code.
            Either way every node reads itself, and the global node reads all nodes.
        normalization: Divide each sum by the number of nodes read (``row``), by the geometric mean of the in- and
            out-degree of both ends (``sym``, Kipf and Welling 2017), or not at all (``none``).
        engine: ``dense``, ``dgl``, or ``auto`` to take dense for cells and DGL for large sparse graphs.

    Raises:
        PredictorError: If there is no such flow, normalisation or engine.
    """
    require_one_of("flow", flow, ("forward", "reverse"), error=PredictorError)
    require_one_of("normalization", normalization, get_args(Normalization), error=PredictorError)
    require_one_of("engine", engine, get_args(Engine), error=PredictorError)
    reads = batch.adjacency.clone() if flow == "reverse" else batch.adjacency.transpose(1, 2).clone()
    reads[:, :, 0] = 0.0
    reads[:, 0, :] = 1.0
    reads = reads + torch.diag_embed(torch.ones_like(reads[:, 0])) * (1 - torch.diag_embed(reads.diagonal(0, 1, 2)))
    reads = reads * (batch.mask[:, :, None] & batch.mask[:, None, :])
    if normalization == "row":
        reads = reads / reads.sum(dim=2, keepdim=True).clamp(min=1.0)
    elif normalization == "sym":
        degrees = reads.sum(dim=2, keepdim=True) * reads.sum(dim=1, keepdim=True)
        reads = reads / degrees.clamp(min=1.0).sqrt()
    if _resolve(engine, batch) == "dgl":
        return _DGLMessagePassing(batch, reads)
    return _DenseMessagePassing(batch, reads)


@dataclass(frozen=True)
class _DenseMessagePassing:
    batch: GraphBatch
    reads: Tensor
    """``[N, V, V]``, row = reader."""

    def features(self) -> Tensor:
        return F.one_hot(self.batch.ops, len(KINDS)).to(self.reads.dtype)

    def __call__(self, messages: Tensor) -> Tensor:
        return self.reads @ messages

    def readout(self, states: Tensor) -> Tensor:
        return states[:, 0]


class _DGLMessagePassing:
    """All graphs as one DGLGraph, its edges read off the batch at once; nodes that are not there are left out."""

    def __init__(self, batch: GraphBatch, reads: Tensor) -> None:
        dgl = _import_dgl()
        self._ops = batch.ops[batch.mask]
        number = (batch.mask.flatten().cumsum(0) - 1).view_as(batch.mask)
        self._global_nodes = number[:, 0]
        graph, reader, read = reads.nonzero(as_tuple=True)
        self._weights = reads[graph, reader, read][:, None]
        self._graph: Any = dgl.graph((number[graph, read], number[graph, reader]), num_nodes=len(self._ops))
        self._sum = dgl.ops.u_mul_e_sum

    def features(self) -> Tensor:
        return F.one_hot(self._ops, len(KINDS)).to(self._weights.dtype)

    def __call__(self, messages: Tensor) -> Tensor:
        summed: Tensor = self._sum(self._graph, messages, self._weights)
        return summed

    def readout(self, states: Tensor) -> Tensor:
        return states[self._global_nodes]


def _resolve(engine: Engine, batch: GraphBatch) -> Literal["dense", "dgl"]:
    if engine != "auto":
        return engine
    num_nodes = batch.ops.shape[1]
    if num_nodes < _DGL_FROM_NODES_RAGGED or find_spec("dgl") is None:
        return "dense"
    ragged = batch.mask.float().mean().item() < _RAGGED_FILL
    return "dgl" if ragged or num_nodes >= _DGL_FROM_NODES else "dense"


def _import_dgl() -> Any:
    os.environ.setdefault("DGLBACKEND", "pytorch")  # or DGL writes a configuration file into the user's home
    try:
        import dgl
    except ImportError as error:
        raise PredictorError(
            "engine='dgl' needs DGL: pip install dgl==1.1.3 (Python 3.10 or 3.11). engine='dense' needs nothing."
        ) from error
    return dgl
