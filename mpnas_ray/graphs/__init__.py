"""Architectures as graphs: batches of them for networks, and features of each that people can read."""

from __future__ import annotations

from mpnas_ray.graphs.batch import Engine, Flow, GraphBatch, MessagePassing, Normalization, graph_batch, message_passing
from mpnas_ray.graphs.features import feature_names, graph_features

__all__ = [
    "Engine",
    "Flow",
    "GraphBatch",
    "MessagePassing",
    "Normalization",
    "feature_names",
    "graph_batch",
    "graph_features",
    "message_passing",
]
