"""The Ray cluster under a run: attach to it or start one, and ask what it has."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import ray
from ray import cloudpickle
from ray.exceptions import RayError

from cluster.ray.addresses import check_ray, in_one_line
from cluster.ray.resources import ACCELERATOR_PREFIX, Resources, in_words
from mpnas_ray import own_packages
from mpnas_ray.errors import ForeignModuleError, RunError
from mpnas_ray.names import did_you_mean
from mpnas_ray.own_packages import OWN_PACKAGES, foreign_file, put_first

__all__ = ["alive_nodes", "connected", "most_concurrent", "places_on"]


@contextmanager
def connected(*, dashboard: bool = False) -> Iterator[None]:
    """Use the Ray of this process, at ``RAY_ADDRESS`` or of this machine; else start one here and stop it afterwards.

    Args:
        dashboard: Start its dashboard, too, on the loopback address: Ray Train asks it which of its trainings were
            stopped, and without an answer never gives back their CPUs and GPUs.

    Raises:
        RunError: If no Ray answers at the address, or if it does not let this program in.
        ForeignModuleError: If the workers of the Ray of this process would import other packages instead of ours.
    """
    if ray.is_initialized():
        _check_workers()
        yield
        return
    check_ray()
    given = os.environ.get("RAY_ADDRESS")
    options: dict[str, Any] = {"log_to_driver": False, "runtime_env": _runtime_env()}
    if not given:
        options.update(include_dashboard=dashboard, dashboard_host="127.0.0.1", logging_level=logging.ERROR)
    try:
        with _sent_by_value():
            ray.init(**options)
    except (OSError, RuntimeError, ValueError, RayError) as error:
        raise RunError(
            f"Ray {f'at RAY_ADDRESS={given} could not be joined' if given else 'could not be started'}: "
            f"{in_one_line(error)}"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


_HOOK = "worker_process_setup_hook"


def _runtime_env() -> dict[str, Any] | None:
    """Let each worker import our packages, though Ray puts the folder where this program was started before them.

    Ray takes one hook: that of the job, if this program runs in one that has one.
    """
    job = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")).get("runtime_env") or {}
    return None if _HOOK in job else {_HOOK: put_first}


@contextmanager
def _sent_by_value() -> Iterator[None]:
    """Let Ray pickle the hook with its code: a worker that runs it may not find our packages yet."""
    cloudpickle.register_pickle_by_value(own_packages)  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(own_packages)  # type: ignore[no-untyped-call]


def _check_workers() -> None:
    """Make sure that nothing hides our packages from workers that do not have the hook.

    Ray lets them look first where this program was started, and where its script is.

    Raises:
        ForeignModuleError: If something does.
    """
    if ray.get_runtime_context().runtime_env.get(_HOOK) == put_first.__name__:
        return
    script = str(Path(sys.argv[0]).resolve().parent)
    folders = (str(Path.cwd()), *([script] if script in sys.path else []))
    for folder, name in product(folders, OWN_PACKAGES):
        file = foreign_file(name, folder)
        if file is not None:
            raise ForeignModuleError(
                f"{file} stands in the way: the workers of the Ray that this program has started find it before the "
                f"package {name!r} of mpnas-ray. Rename it, or leave out `ray.init`: the run then starts Ray so that "
                f"they do not."
            )


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
