"""Several nodes, on this machine: resources are counted for each node."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import ray
from ray.cluster_utils import Cluster

from cluster.ray_cluster import connected, most_concurrent
from mpnas_ray.errors import RunError

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[None]:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=2, num_gpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    yield
    ray.shutdown()
    cluster.shutdown()


@pytest.mark.usefixtures("two_nodes")
def test_a_trial_must_fit_on_one_node() -> None:
    assert most_concurrent({"CPU": 1, "GPU": 0}) == 3
    assert most_concurrent({"CPU": 1, "GPU": 1}) == 2
    assert most_concurrent({"CPU": 0.5, "GPU": 0.5}) == 4
    with pytest.raises(RunError, match=r"needs 1 CPU, 2 GPU on one node; the most .* is 2 CPU, 1 GPU"):
        most_concurrent({"CPU": 1, "GPU": 2})  # the cluster has two, but on two nodes


@pytest.mark.usefixtures("two_nodes")
def test_a_ray_that_was_there_before_stays() -> None:
    with connected():
        assert ray.is_initialized()
    assert ray.is_initialized()
