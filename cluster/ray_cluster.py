"""The Ray cluster under a run: attach to it or start one, and ask what it has."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from mpnas_ray.errors import RunError

__all__ = ["Resources", "connected", "most_concurrent"]

Resources = dict[str, float]
"""What one trial takes, e.g. ``{"CPU": 1, "GPU": 0.5}``."""


@contextmanager
def connected(*, dashboard: bool = False) -> Iterator[None]:
    """Use the Ray of this process or at ``RAY_ADDRESS``; else start one on this machine and stop it afterwards.

    Args:
        dashboard: Start its dashboard, too, on the loopback address: Ray Train asks it which of its trainings were
            stopped, and without an answer never gives back their CPUs and GPUs.
    """
    if ray.is_initialized():
        yield
        return
    if os.environ.get("RAY_ADDRESS"):
        ray.init(log_to_driver=False)
    else:
        ray.init(include_dashboard=dashboard, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield
    finally:
        ray.shutdown()


def most_concurrent(worker: Resources, num_workers: int = 1) -> int:
    """How many trials fit on the cluster side by side.

    Args:
        worker: What each worker of a trial takes, on one node.
        num_workers: Of each trial; they may be on different nodes.

    Raises:
        RunError: If not even one does; else such a run would wait for ever.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    fitting = sum(
        min(int(node.get(name, 0.0) / amount + 1e-9) for name, amount in worker.items() if amount > 0) for node in nodes
    )
    if fitting < num_workers:
        wanted = ", ".join(f"{amount:g} {name}" for name, amount in worker.items() if amount > 0)
        largest = ", ".join(f"{max((node.get(name, 0.0) for node in nodes), default=0):g} {name}" for name in worker)
        times = f"{num_workers} times " if num_workers > 1 else ""
        raise RunError(
            f"A trial needs {times}{wanted} on one node; the most that a node of this cluster has is {largest}"
            f"{f', and there is room for {fitting} such workers' if fitting else ''}."
        )
    return fitting // num_workers
