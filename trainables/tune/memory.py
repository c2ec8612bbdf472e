"""The memory that belongs to a trial, or to another task of Ray: the share that goes with its resources."""

from __future__ import annotations

from collections.abc import Mapping

import ray
import torch

from trainables.training.memory import device_memory

__all__ = ["memory_of_trial", "share_of_node"]


def share_of_node(node: Mapping[str, float], cpus: float) -> int | None:
    """Return the bytes of a node's memory that go with so many of its CPU cores; None where it is not known.

    Args:
        node: Resources of the node, as Ray tells them.
        cpus: Cores of the trial; 0 for all of the memory.
    """
    if "memory" not in node:
        return None
    cores = node.get("CPU", 0.0)
    return int(node["memory"] * (min(1.0, cpus / cores) if cpus and cores else 1.0))


def memory_of_trial(device: torch.device) -> int | None:
    """Return the bytes of the device's memory that the trial or task of this process may count on; None if not known.

    Outside of Ray, and in a driver, it is the whole memory.
    """
    if not ray.is_initialized():
        return device_memory(device)
    context = ray.get_runtime_context()
    try:
        assigned = context.get_assigned_resources()  # type: ignore[no-untyped-call]
    except AssertionError:  # a driver, to which Ray assigns nothing
        return device_memory(device)
    if device.type == "cuda":
        return int((device_memory(device) or 0) * min(1.0, assigned.get("GPU") or 1.0))
    node_id = context.get_node_id()
    nodes = [node["Resources"] for node in ray.nodes() if node["NodeID"] == node_id]  # type: ignore[no-untyped-call]
    return share_of_node(nodes[0], assigned.get("CPU", 0.0)) if nodes else device_memory(device)
