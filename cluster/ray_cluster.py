"""The Ray cluster under a run: attach to it or start one, and ask what it has."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import ray

from mpnas_ray.errors import RunError

__all__ = ["WORKER_ENVIRONMENT", "Resources", "alive_nodes", "connected", "most_concurrent", "places_on"]

WORKER_ENVIRONMENT = {"env_vars": {"PL_DISABLE_FORK": "1"}}
"""The runtime environment that Ray Tune gives its trials (``ray.tune.execution.class_cache``), for all workers of a Ray
that we start: a worker fits only a trial of its own environment, and so trials take those that Ray has started in
advance, or that tasks have left, rather than wait for new processes."""

Resources = dict[str, float]
"""What one trial takes, e.g. ``{"CPU": 1, "GPU": 0.5}``; ``memory`` in bytes."""


@contextmanager
def connected(*, dashboard: bool = False) -> Iterator[None]:
    """Use the Ray of this process, at ``RAY_ADDRESS`` or of this machine; else start one here and stop it afterwards.

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
        ray.init(
            include_dashboard=dashboard,
            dashboard_host="127.0.0.1",
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env=WORKER_ENVIRONMENT,
        )
    try:
        yield
    finally:
        ray.shutdown()


def most_concurrent(worker: Resources, num_workers: int = 1, *, autoscaling: bool = False) -> int:
    """How many trials fit on the cluster side by side, as it is now.

    Args:
        worker: What each worker of a trial takes, on one node.
        num_workers: Of each trial; they may be on different nodes.
        autoscaling: Nodes come on demand: where nothing fits, one trial is to ask for them.

    Raises:
        RunError: If not even one does, and none ever will; else such a run would wait for ever.
    """
    nodes = alive_nodes()
    fitting = sum(places_on(node, worker) for node in nodes)
    if fitting >= num_workers:
        return fitting // num_workers
    if autoscaling:
        return 1
    wanted = ", ".join(f"{amount:g} {name}" for name, amount in worker.items() if amount > 0)
    largest = ", ".join(
        f"{max((node.get(name, 0.0) for node in nodes), default=0):g} {name}"
        for name, amount in worker.items()
        if amount > 0 or name in ("CPU", "GPU")
    )
    times = f"{num_workers} times " if num_workers > 1 else ""
    raise RunError(
        f"A trial needs {times}{wanted} on one node; the most that a node of this cluster has is {largest}"
        f"{f', and there is room for {fitting} such workers' if fitting else ''}. If the cluster starts nodes on "
        f"demand, say --autoscaling."
    )


def alive_nodes() -> list[Resources]:
    """What each node of the cluster has, free or not."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]


def places_on(node: Mapping[str, float], worker: Resources) -> int:
    """Workers that a node has room for."""
    return min(int(node.get(name, 0.0) / amount + 1e-9) for name, amount in worker.items() if amount > 0)
