"""Attach to the Ray cluster of a run or start one, and ask for the resources of its nodes."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
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

__all__ = ["alive_nodes", "connected", "most_concurrent", "slots_on"]


@contextmanager
def connected(*, dashboard: bool = False) -> Iterator[None]:
    """Use the Ray of this process, at ``RAY_ADDRESS`` or of this machine; else start one here and stop it afterwards.

    Args:
        dashboard: Whether to start the dashboard, too, on the loopback address: Ray Train asks it which trainings were
            stopped, and without an answer never gives back their CPUs and GPUs. Workers are then told the address of
            their Ray, since several may run on this machine.

    Raises:
        UntestedRayError: If the version of Ray is not one that is tested.
        RunError: If no Ray answers at the address, or if it does not let this program in.
        ForeignModuleError: If the workers of the Ray of this process would import other packages instead of ours.
    """
    check_ray()
    if ray.is_initialized():
        _check_workers()
        yield
        return
    given = os.environ.get("RAY_ADDRESS")
    options: dict[str, Any] = {
        "log_to_driver": False,
        "runtime_env": _runtime_env(_name_ray if dashboard else put_first),
    }
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
_JOB_CONFIG = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Variable in which Ray passes the runtime environment of a job to its program; not a documented one."""


def _name_ray() -> None:
    """Set up a worker whose processes may ask where Ray is: Ray Train does so by the variable, or guesses."""
    put_first()
    os.environ.setdefault("RAY_ADDRESS", ray.get_runtime_context().gcs_address)


def _runtime_env(hook: Callable[[], None]) -> dict[str, Any] | None:
    """Let each worker import our packages, though Ray puts the folder where this program was started before them.

    Ray takes one hook: that of the job, if this program runs in one that has one.
    """
    job = json.loads(os.environ.get(_JOB_CONFIG, "{}")).get("runtime_env") or {}
    return None if _HOOK in job else {_HOOK: hook}


@contextmanager
def _sent_by_value() -> Iterator[None]:
    """Let Ray pickle the hooks with their code: a worker that runs one may not find our packages yet."""
    modules = (own_packages, sys.modules[__name__])
    for module in modules:
        cloudpickle.register_pickle_by_value(module)  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)  # type: ignore[no-untyped-call]


def _check_workers() -> None:
    """Make sure that nothing hides our packages from workers that do not have the hook.

    Ray lets them look first where this program was started, and where its script is.

    Raises:
        ForeignModuleError: If something does.
    """
    if ray.get_runtime_context().runtime_env.get(_HOOK) in (put_first.__name__, _name_ray.__name__):
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
    """Count the trials that fit on the cluster at the same time, as it is now.

    Args:
        worker: Resources of each worker of a trial, on one node.
        num_workers: Workers of each trial; they may be on different nodes.
        autoscaling: Whether nodes come on demand; then one trial that fits nowhere is let through to ask for them.

    Raises:
        RunError: If not even one trial fits, and none ever will: the run would wait for ever.
    """
    nodes = alive_nodes()
    fitting = sum(slots_on(node, worker) for node in nodes)
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
    """Suggest the name of a resource that some node has for one that no node has."""
    known = [name for node in nodes for name in node if not name.startswith("node:")]
    kinds = [name.removeprefix(ACCELERATOR_PREFIX) for name in known]
    unknown = [name.removeprefix(ACCELERATOR_PREFIX) for name in wanted if name not in known and name != "GPU"]
    return "".join(did_you_mean(name, kinds) for name in unknown)


def alive_nodes() -> list[Resources]:
    """Return the resources of each node of the cluster, free or not."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]


def slots_on(node: Mapping[str, float], worker: Resources) -> int:
    """Count the workers that a node has room for."""
    return min(int(node.get(name, 0.0) / amount + 1e-9) for name, amount in worker.items() if amount > 0)
