"""The cluster under a run: what fits on its nodes, and whose it is."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import ray
from ray.cluster_utils import Cluster

from cluster.ray.connection import connected

pytestmark = pytest.mark.ray

TWO_NODES = """
from cluster.ray.connection import connected, most_concurrent
from mpnas_ray.errors import RunError

with connected():
    assert most_concurrent({"CPU": 1, "GPU": 0}) == 3
    assert most_concurrent({"CPU": 1, "GPU": 1}) == 2
    assert most_concurrent({"CPU": 0.5, "GPU": 0.5}) == 4
    assert most_concurrent({"CPU": 1, "GPU": 1}, num_workers=2) == 1
    for worker, num_workers in (({"CPU": 1, "GPU": 2}, 1), ({"CPU": 1, "GPU": 1}, 3)):
        try:
            most_concurrent(worker, num_workers)
        except RunError as error:
            print(error)
"""


def test_a_worker_must_fit_on_one_node_and_a_trial_on_all() -> None:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 1, "include_dashboard": False})
    try:
        cluster.add_node(num_cpus=2, num_gpus=1)
        environment = {**os.environ, "RAY_ADDRESS": cluster.address}
        command = [sys.executable, "-c", TWO_NODES]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    finally:
        cluster.shutdown()
    assert done.returncode == 0, done.stderr
    one, several = done.stdout.splitlines()
    fits = "A trial needs 1 CPU, 2 GPU on one node; the most that a node of this cluster has is 2 CPU, 1 GPU."
    assert one == f"{fits} If the cluster starts nodes on demand, say --autoscaling."
    assert several.startswith("A trial needs 3 times 1 CPU, 1 GPU on one node;")
    assert "and there is room for 2 such workers." in several


@pytest.mark.usefixtures("ray_cluster")
def test_a_ray_that_was_there_before_stays() -> None:
    with connected():
        assert ray.is_initialized()
    assert ray.is_initialized()
