"""Message passing over one block-diagonal DGLGraph of all nodes that are there: no padding, so for large graphs.

The library DGL is imported at its first use: it takes more than a second, and is not there for Python 3.12.
"""

from __future__ import annotations

import os
from typing import Any

from torch import Tensor

from mpnas_ray.errors import PredictorError
from mpnas_ray.graphs.batch import GraphBatch

__all__ = ["DGLMessagePassing"]


class DGLMessagePassing:
    """Messages between the nodes that are there, as `MessagePassing`; their number is the one leading dimension."""

    def __init__(self, batch: GraphBatch, reads: Tensor) -> None:
        """Read the edges off the batch at once.

        Args:
            batch: The graphs.
            reads: Weight with which each node (row) reads each node (column), ``[N, V, V]``.

        Raises:
            PredictorError: If DGL is not installed.
        """
        dgl = _import_dgl()
        self._features = batch.features()[batch.mask]
        number = (batch.mask.flatten().cumsum(0) - 1).view_as(batch.mask)
        self._global_nodes = number[:, 0]
        graph, reader, read = reads.nonzero(as_tuple=True)
        self._weights = reads[graph, reader, read][:, None]
        self._graph: Any = dgl.graph((number[graph, read], number[graph, reader]), num_nodes=len(self._features))
        self._sum = dgl.ops.u_mul_e_sum

    def features(self) -> Tensor:
        """See `MessagePassing.features`."""
        return self._features.to(self._weights.dtype)

    def __call__(self, messages: Tensor) -> Tensor:
        """See `MessagePassing.__call__`."""
        summed: Tensor = self._sum(self._graph, messages, self._weights)
        return summed

    def readout(self, states: Tensor) -> Tensor:
        """See `MessagePassing.readout`."""
        return states[self._global_nodes]


def _import_dgl() -> Any:
    os.environ.setdefault("DGLBACKEND", "pytorch")  # or DGL writes a configuration file into the user's home
    try:
        import dgl
    except ImportError as error:
        raise PredictorError(
            "engine='dgl' needs DGL: pip install dgl==1.1.3 (Python 3.10 or 3.11). engine='dense' needs nothing."
        ) from error
    return dgl
