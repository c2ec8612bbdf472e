"""A folder that a node of the cluster does not see is refused before the run; on a real cluster of two nodes.

The second node's processes live in a mount namespace of their own, where an empty file system lies over one folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster

pytestmark = pytest.mark.ray

UNSHARE = ["unshare", "--mount", "--propagation", "private"]

PROGRAM = """
import sys, time
import ray
from cluster.storage import shared_storage
from cluster.storage.run_folder import RunFolder
from cluster.storage.shared_storage import check_shared
from mpnas_ray.errors import RunError

shared_storage._TIMEOUT_S = 900.0
ray.init(address=sys.argv[1], log_to_driver=False)
while sum(node["Alive"] for node in ray.nodes()) < 2:
    time.sleep(0.1)
here = ray.get_runtime_context().get_node_id()
(other,) = (node["NodeID"] for node in ray.nodes() if node["NodeID"] != here)
print(other[:8])
for storage in sys.argv[2:]:
    folder = RunFolder(storage, "one")
    try:
        check_shared(folder)
        print("passed")
    except RunError as error:
        print(error)
    assert folder.is_empty()
"""


@pytest.fixture
def hidden(tmp_path: Path) -> Path:
    """Make a folder that the second node does not see."""
    folder = tmp_path / "hidden"
    folder.mkdir()
    return folder


@pytest.fixture
def address(hidden: Path) -> Iterator[str]:
    """Give the address of a cluster with two nodes."""
    hide = ["mount", "-t", "tmpfs", "none", str(hidden)]
    if not shutil.which("unshare") or subprocess.run([*UNSHARE, *hide], capture_output=True, check=False).returncode:
        pytest.skip("mount namespaces are not permitted here")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    ray = str(Path(sys.executable).with_name("ray"))
    node = [ray, "start", f"--address={cluster.address}", "--num-cpus=1", "--block"]
    node += ["--min-worker-port=0", "--max-worker-port=0"]
    script = '"${@:1:5}" && exec "${@:6}"'
    log = (hidden.parent / "node").open("w")
    environment = {**os.environ}
    environment.pop("MPNAS_RAY_WORKERS", None)  # a copied worker would see what all others see
    second = subprocess.Popen(
        [*UNSHARE, "bash", "-c", script, "bash", *hide, *node], stdout=log, stderr=log, env=environment
    )
    try:
        yield cluster.address
    finally:
        second.terminate()  # its processes end with it
        second.wait()
        cluster.shutdown()  # type: ignore[no-untyped-call]
        log.close()


def test_a_folder_that_one_node_does_not_see_is_refused(address: str, hidden: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    command = [sys.executable, "-c", PROGRAM, address]
    command += [str(shared), str(hidden), f"file://{hidden}", f"fsspec+file://{hidden}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + (tmp_path / "node").read_text()
    node, passed, refused, refused_uri, passed_uri = done.stdout.splitlines()
    assert passed == "passed"
    assert refused.startswith(f"{hidden}/one is a folder of this machine that ")
    assert f"({node}) cannot see, and the cluster has 2 nodes" in refused
    assert "--storage" in refused
    assert refused_uri == refused.replace(str(hidden), f"file://{hidden}")
    assert passed_uri == "passed", "what is no file system is taken to be seen by all"


@pytest.mark.usefixtures("ray_cluster")
def test_on_one_node_every_folder_is_seen(tmp_path: Path) -> None:
    from cluster.storage.run_folder import RunFolder
    from cluster.storage.shared_storage import check_shared

    folder = RunFolder(str(tmp_path), "one")
    check_shared(folder)
    assert folder.is_empty()
