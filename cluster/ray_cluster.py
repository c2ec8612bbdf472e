"""The Ray cluster under a run: attach to it or start one, and ask what it has."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import ray

from cluster.resources import ACCELERATOR_PREFIX, Resources, in_words
from mpnas_ray.errors import RunError
from mpnas_ray.names import did_you_mean

__all__ = ["alive_nodes", "connected", "most_concurrent", "places_on"]


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
            include_dashboard=dashboard, dashboard_host="127.0.0.1", log_to_driver=False, logging_level=logging.ERROR
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
    wanted = {name: amount for name, amount in worker.items() if amount > 0}
    asked_or_usual = [name for name in worker if name in wanted or name in ("CPU", "GPU")]
    largest = {name: max((node.get(name, 0.0) for node in nodes), default=0.0) for name in asked_or_usual}
    times = f"{num_workers} times " if num_workers > 1 else ""
    raise RunError(
        f"A trial needs {times}{in_words(wanted)} on one node; the most that a node of this cluster has is "
        f"{in_words(largest)}{f', and there is room for {fitting} such workers' if fitting else ''}."
        f"{_similar_resources(wanted, nodes)} If the cluster starts nodes on demand, say --autoscaling."
    )


def _similar_resources(wanted: Mapping[str, float], nodes: Sequence[Resources]) -> str:
    """For a resource that no node has, the name of one that some node has."""
    known = [name for node in nodes for name in node if not name.startswith("node:")]
    kinds = [name.removeprefix(ACCELERATOR_PREFIX) for name in known]
    unknown = [name.removeprefix(ACCELERATOR_PREFIX) for name in wanted if name not in known and name != "GPU"]
    return "".join(did_you_mean(name, kinds) for name in unknown)


def alive_nodes() -> list[Resources]:
    """What each node of the cluster has, free or not."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]


def places_on(node: Mapping[str, float], worker: Resources) -> int:
    """Workers that a node has room for."""
    return min(int(node.get(name, 0.0) / amount + 1e-9) for name, amount in worker.items() if amount > 0)
