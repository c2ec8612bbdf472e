"""Trials under way and slots, on a real cluster whose nodes come and go."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.ray

PROGRAM = """
import pickle
import ray
from ray.cluster_utils import Cluster
from cluster.ray.slots import Elastic, Slots, slots_of_this_session
from cluster.ray.connection import most_concurrent
from mpnas_ray.errors import RunError
from searchers import RandomSearch

def proposals(**said):
    # How many trials a searcher lets begin that Tune told of one slot.
    searcher = RandomSearch("nasbench201", "validation_x", "max", seed=0)
    searcher.set_max_concurrency(1)
    searcher, elastic = pickle.loads(pickle.dumps((searcher, Elastic(searcher))))
    with slots_of_this_session(Slots({"CPU": 1.0, "GPU": 0.0}, **said)):
        elastic.on_step_begin(0, [])
    begun = 0
    while begun < 20 and isinstance(searcher.suggest(f"t{begun}"), dict):
        begun += 1
    return begun

def all_kinds():
    alone = proposals()
    limited = proposals(most=2)
    asking = proposals(autoscaling=True)
    in_pairs = proposals(num_workers=2)
    print(alone, limited, asking, in_pairs)

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
ray.init(cluster.address, log_to_driver=False)
try:
    all_kinds()
    node = cluster.add_node(num_cpus=2)
    all_kinds()
    cluster.remove_node(node)
    all_kinds()
    wanted = {"CPU": 1, "GPU": 1}
    print(most_concurrent(wanted, autoscaling=True), most_concurrent({"CPU": 1}, 8, autoscaling=True))
    try:
        most_concurrent(wanted)
    except RunError as error:
        print(error)
finally:
    ray.shutdown()
    cluster.shutdown()
"""


def test_slots_follow_the_nodes() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    one_cpu, three_cpus, again_one, waiting, refused = done.stdout.splitlines()
    assert one_cpu == "1 1 2 1", "a trial of two workers fits nowhere: what Tune was told stays"
    assert three_cpus == "3 2 4 1"
    assert again_one == one_cpu
    assert waiting == "1 1", "where nodes come on demand, one trial asks for what is not there yet"
    assert refused.endswith("If the cluster starts nodes on demand, say --autoscaling.")
