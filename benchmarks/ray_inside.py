"""Gather the parts of Ray beyond its documented interface that benchmarks read and time."""

from __future__ import annotations

import ray.train._internal.storage as storage
from ray._private.state import actors, available_resources_per_node
from ray.tune.execution.tune_controller import TuneController

__all__ = ["TuneController", "actors", "available_resources_per_node", "storage"]
