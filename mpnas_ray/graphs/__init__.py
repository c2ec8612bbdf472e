"""Architectures as graphs: batches of them for networks, and features of each that people can read."""

from __future__ import annotations

from mpnas_ray.graphs.batch import GraphBatch, graph_batch
from mpnas_ray.graphs.features import feature_names, graph_features
from mpnas_ray.graphs.message_passing import Engine, Flow, MessagePassing, Normalization, message_passing

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
