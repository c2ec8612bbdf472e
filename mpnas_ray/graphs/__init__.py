"""Architectures as graphs: batches of them for networks."""

from __future__ import annotations

from mpnas_ray.graphs.batch import Engine, Flow, GraphBatch, MessagePassing, Normalization, graph_batch, message_passing

__all__ = ["Engine", "Flow", "GraphBatch", "MessagePassing", "Normalization", "graph_batch", "message_passing"]
