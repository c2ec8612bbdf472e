"""Message passing by batched matrix products over ``[N, V, V]``; works under `torch.func` and on CUDA."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mpnas_ray.graphs.batch import GraphBatch

__all__ = ["DenseMessagePassing"]


@dataclass(frozen=True)
class DenseMessagePassing:
    """Messages between the padded nodes of a batch, as `MessagePassing` with the leading dimensions ``[N, V]``.

    Attributes:
        batch: The graphs.
        reads: Weight with which each node (row) reads each node (column), ``[N, V, V]``.
    """

    batch: GraphBatch
    reads: Tensor

    def features(self) -> Tensor:
        """See `MessagePassing.features`."""
        return self.batch.features().to(self.reads.dtype)

    def __call__(self, messages: Tensor) -> Tensor:
        """See `MessagePassing.__call__`."""
        return self.reads @ messages

    def readout(self, states: Tensor) -> Tensor:
        """See `MessagePassing.readout`."""
        return states[:, 0]
