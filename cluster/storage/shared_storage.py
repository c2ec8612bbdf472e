"""Check that each node of the cluster sees the folder of a run, before the run begins."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import ray
from pyarrow import fs
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.storage.run_folder import RunFolder
from mpnas_ray.errors import RunError

__all__ = ["check_shared"]

_TIMEOUT_S = 60.0
"""Seconds to wait for all answers. A node that does not answer, being busy or about to leave, does not stop the run."""


def check_shared(folder: RunFolder) -> None:
    """Refuse a folder that other nodes of the cluster do not see, as Tune would at the first checkpoint of a trial.

    Storage that is no file system is taken to be seen by all.

    Raises:
        RunError: If some nodes do not see it; the message names them.
    """
    nodes = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    here = ray.get_runtime_context().get_node_id()
    others = {node["NodeID"]: node["NodeManagerHostname"] for node in nodes if node["NodeID"] != here}
    if not folder.is_local or not others:
        return
    mark = f"seen-{secrets.token_hex(8)}"
    folder.write(mark, "")
    try:
        blind = _blind(others, str(Path(fs.FileSystem.from_uri(str(folder))[1]) / mark))
    finally:
        folder.delete(mark)
    if blind:
        named = ", ".join(f"{host} ({node[:8]})" for node, host in blind.items())
        raise RunError(
            f"{folder} is a folder of this machine that {named} cannot see, and the cluster has {len(nodes)} nodes: "
            f"what trials save there would be lost. Name with --storage a folder that all nodes share, as NFS gives, "
            f"or a URI such as s3://bucket/runs."
        )


def _blind(nodes: dict[str, str], path: str) -> dict[str, str]:
    """Return the nodes that do not see a file."""
    look: Any = ray.remote(num_cpus=0, max_retries=0)(_sees)
    asked = {
        node: look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(path)
        for node in nodes
    }
    ray.wait(list(asked.values()), num_returns=len(asked), timeout=_TIMEOUT_S)
    return {node: nodes[node] for node, answer in asked.items() if not _answer(answer)}


def _answer(reference: Any) -> bool:
    try:
        return bool(ray.get(reference, timeout=0))
    except (RayError, GetTimeoutError):
        return True


def _sees(path: str) -> bool:
    return Path(path).exists()
