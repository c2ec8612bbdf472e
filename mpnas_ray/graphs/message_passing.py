"""Message passing over a batch of graphs, by one of two engines with equal results.

dense   batched matrix products over [N, V, V]; works under torch.func and on CUDA
dgl     one block-diagonal DGLGraph of all nodes that are there; no padding, so for large or ragged graphs
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

from mpnas_ray.checks import require_one_of
from mpnas_ray.errors import PredictorError
from mpnas_ray.graphs.batch import GraphBatch
from mpnas_ray.graphs.dense import DenseMessagePassing
from mpnas_ray.graphs.dgl import DGLMessagePassing

__all__ = ["Engine", "Flow", "MessagePassing", "Normalization", "message_passing"]

Engine = Literal["auto", "dense", "dgl"]
Flow = Literal["forward", "reverse", "both"]
Normalization = Literal["none", "row", "sym"]

_DGL_FROM_NODES = 512
_DGL_FROM_NODES_RAGGED = 256
_RAGGED_FILL = 0.75
"""``engine="auto"`` takes DGL for graphs padded to that many nodes, or to fewer if less than three quarters of them are
there: measured, benchmarks/results/graph_batches.md."""


class MessagePassing(Protocol):
    """One way in which messages travel over a batch of graphs; ``nodes`` stands for its own leading dimensions."""

    def features(self) -> Tensor:
        """Return what `GraphBatch.features` says of each node: ``[nodes, 14 or 14 + A]``."""
        ...

    def __call__(self, messages: Tensor) -> Tensor:
        """Sum up what each node reads: ``[nodes, C] -> [nodes, C]``."""
        ...

    def readout(self, states: Tensor) -> Tensor:
        """Select the states of the global nodes: ``[nodes, C] -> [N, C]``."""
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
        return DGLMessagePassing(batch, reads)
    return DenseMessagePassing(batch, reads)


def _resolve(engine: Engine, batch: GraphBatch) -> Literal["dense", "dgl"]:
    if engine != "auto":
        return engine
    num_nodes = batch.ops.shape[1]
    if num_nodes < _DGL_FROM_NODES_RAGGED or find_spec("dgl") is None:
        return "dense"
    ragged = batch.mask.float().mean().item() < _RAGGED_FILL
    return "dgl" if ragged or num_nodes >= _DGL_FROM_NODES else "dense"
