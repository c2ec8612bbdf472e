"""Sizes of trials, computed from their networks, on clusters of much and of little memory."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cluster.run.assemble.trial_sizes import TrialSizes, _data_bytes, choose_sizes
from cluster.run.checking import check_config
from cluster.run.config import SearchConfig
from cluster.run.record import RunRecord
from mpnas_ray.errors import RunError
from mpnas_ray.spaces import Architectures, get_space
from trainables import Task, TaskData, get_task
from trainables.networks.limits import NetworkSizes
from trainables.training.data import encoded_bytes

pytestmark = pytest.mark.ray

CONFIG = SearchConfig(task="digits", space="nasbench201", num_samples=4, epochs=1, preset="paper", searcher="random")
RECORD = RunRecord(CONFIG, "digits")

PROGRAM = """
import json, sys
import ray
from cluster.run.config import SearchConfig
from cluster.run.record import RunRecord
from cluster.run.assemble.trial_sizes import choose_sizes
from mpnas_ray.spaces import get_space
from trainables import get_task

ray.init(address="local", num_cpus=4, _memory=float(sys.argv[1]), include_dashboard=False, log_to_driver=False)
task = get_task("digits")
config = SearchConfig(task="digits", space="nasbench201", num_samples=4, epochs=1, searcher="random")
sizes = choose_sizes(RunRecord(config, "digits"), task, task.load_checked(None))
print(json.dumps({"resources": sizes.resources, "bounds": sizes.bounds}))
if len(sys.argv) > 2:
    from cluster import run_search
    report = run_search(task="digits", space="nasbench201", num_samples=4, epochs=1, searcher="random",
                        storage=sys.argv[2], name="one", progress=False)
    print(json.dumps([report.num_trials, report.num_failed]))
ray.shutdown()
"""


def on_ray_with(memory: float, *arguments: str) -> list[Any]:
    """Return the output of a program on a Ray of 4 CPUs and so many bytes."""
    command = [sys.executable, "-c", PROGRAM, str(memory), *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line[:1] in "{["]


@pytest.fixture(scope="module")
def digits() -> tuple[Task, TaskData]:
    task = get_task("digits")
    return task, task.load_checked(None)


def num_places(whole: float, sizes: dict[str, Any]) -> list[int]:
    return [int(whole // each["memory"]) for each in sizes["resources"]]


def networks_of(task: Task, data: TaskData, config: SearchConfig) -> tuple[Architectures, NDArray[np.int64]]:
    """Architectures and what their trainings take."""
    archs = get_space(config.space).sample_many(200, np.random.default_rng(7))
    networks = NetworkSizes(task.encoded_shape(data), task.num_outputs, task.dense, config.preset)
    return archs, networks.training_bytes(archs, task.recipe.batch_size)


@pytest.mark.slow
def test_little_memory_is_promised_once(tmp_path: Path) -> None:
    whole = 2.5e9
    sizes, (num_trials, num_failed) = on_ray_with(whole, str(tmp_path))
    amounts = [each["memory"] for each in sizes["resources"]]
    assert len(amounts) == 3
    assert amounts == sorted(set(amounts))
    assert len(sizes["bounds"]) == 2
    assert sizes["bounds"] == sorted(sizes["bounds"])
    assert all(places < 4 for places in num_places(whole, sizes)), "fewer than there are CPUs"
    assert {each["CPU"] for each in sizes["resources"]} == {1.0}
    assert (num_trials, num_failed) == (4, 0), "and trials of these sizes are run"


@pytest.mark.slow
def test_what_is_larger_than_all_nodes_gets_one_for_itself() -> None:
    (sizes,) = on_ray_with(0.5e9)
    assert num_places(0.5e9, sizes) == [1]


@pytest.mark.usefixtures("ray_cluster")
class TestOnANodeWithMemory:
    def test_one_size_does_for_all(self, digits: tuple[Task, TaskData]) -> None:
        task, data = digits
        sizes = choose_sizes(RECORD, task, data)
        (resources,) = sizes.resources
        archs, needed = networks_of(task, data, CONFIG)
        assert resources["memory"] > needed.max()
        assert {name: resources[name] for name in ("CPU", "GPU")} == {"CPU": 1.0, "GPU": 0.0}
        assert sizes.of(str(archs[0])) == resources
        assert sizes({"arch": str(archs[0])}).bundles == [{"CPU": 1.0, "memory": resources["memory"]}]

    def test_trials_of_several_workers_are_of_one_size_and_as_the_user_said(
        self, digits: tuple[Task, TaskData]
    ) -> None:
        config = replace(CONFIG, workers_per_trial=2, gpus_per_trial=0.5, gpu_memory_gb=1.0)
        assert choose_sizes(RunRecord(config, "digits"), *digits).resources == (config.worker_resources,)

    def test_accelerators_and_resources_of_ones_own_are_asked_for(self, digits: tuple[Task, TaskData]) -> None:
        config = replace(CONFIG, gpus_per_trial=0.5, accelerator_type="A100", resources_per_trial={"slots": 2.0})
        check_config(config)
        (resources,) = choose_sizes(RunRecord(config, "digits"), *digits).resources
        assert resources == {"CPU": 1.0, "GPU": 0.5, "accelerator_type:A100": 0.001, "slots": 2.0}


@pytest.mark.usefixtures("ray_cluster")
class TestSharesOfGPUs:
    @pytest.fixture
    def large(self, digits: tuple[Task, TaskData]) -> tuple[Task, TaskData]:
        """Choose batches so large that CUDA's own memory is little beside the networks."""
        task, data = digits
        return replace(task, recipe=replace(task.recipe, batch_size=2**16)), data

    def choose(self, problem: tuple[Task, TaskData], share: float, memory_gb: float | None) -> TrialSizes:
        config = replace(
            CONFIG, space="transnasbench101", cpus_per_trial=0.1, gpus_per_trial=share, gpu_memory_gb=memory_gb
        )
        check_config(config)
        return choose_sizes(RunRecord(config, "digits"), *problem)

    def memory_gb(self, problem: tuple[Task, TaskData]) -> float:
        """Choose the memory of a GPU that four networks of middling size almost fill."""
        _, needed = networks_of(*problem, replace(CONFIG, space="transnasbench101"))
        return 4.2 * float(np.median(needed)) / 1e9

    def test_larger_networks_get_twice_and_four_times_as_much(self, large: tuple[Task, TaskData]) -> None:
        sizes = self.choose(large, 0.25, self.memory_gb(large))
        assert [each["GPU"] for each in sizes.resources] == [0.25, 0.5, 1.0]
        assert all("memory" not in each for each in sizes.resources)
        archs, needed = networks_of(*large, replace(CONFIG, space="transnasbench101"))
        classes = [sum(bytes_ > bound for bound in sizes.bounds) for bytes_ in needed]
        assert set(classes) == {0, 1, 2}
        assert 0.4 < classes.count(0) / len(classes) < 0.6
        for row, number in enumerate(classes):
            assert sizes.of(str(archs[row])) == sizes.resources[number]
            (bundle,) = sizes({"arch": str(archs[row])}).bundles
            assert bundle["GPU"] == sizes.resources[number]["GPU"]

    def test_sizes_can_be_sent_to_where_tune_asks_them(self, large: tuple[Task, TaskData]) -> None:
        sizes = self.choose(large, 0.25, self.memory_gb(large))
        assert pickle.loads(pickle.dumps(sizes)) == sizes

    @pytest.mark.parametrize(
        ("share", "memory_gb", "wanted"),
        [
            pytest.param(0.25, None, 0.25, id="nothing known"),
            pytest.param(0.25, 1000.0, 0.25, id="room for all"),
            pytest.param(0.25, 1.0, 1.0, id="one alone is too large"),
            pytest.param(2.0, 1.0, 2.0, id="whole ones stay as said"),
        ],
    )
    def test_one_share_where_that_does(
        self, large: tuple[Task, TaskData], share: float, memory_gb: float | None, wanted: float
    ) -> None:
        sizes = self.choose(large, share, memory_gb)
        assert [each["GPU"] for each in sizes.resources] == [wanted]

    def test_a_share_ends_at_a_whole_gpu(self, large: tuple[Task, TaskData]) -> None:
        sizes = self.choose(large, 0.3, self.memory_gb(large) * 0.6)
        assert [each["GPU"] for each in sizes.resources][-1] == 1.0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gpu_memory_gb": 0.0}, "gpu_memory_gb is in GB, above 0, not 0.0"),
        ({"trial_time_limit_s": -1.0}, "trial_time_limit_s is in seconds, above 0"),
        ({"trial_time_limit_s": float("nan")}, "trial_time_limit_s is in seconds, above 0"),
        ({"resources_per_trial": {"memory": 1e9}}, "memory is computed from the network"),
        ({"resources_per_trial": {"slots": 0.0}}, "above 0, not slots=0.0"),
        ({"gpus_per_trial": 1.5}, "a fraction or a whole number of GPUs"),
    ],
)
def test_what_no_trial_can_take_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(RunError, match=said):
        check_config(replace(CONFIG, **changes))


def test_data_that_all_trials_read_from_disk_need_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    task = get_task("digits")
    data = task.load_checked(None)
    whole = encoded_bytes(task, data)
    nodes = [{"CPU": 4.0, "memory": 8.0 * whole}, {"CPU": 2.0, "memory": 8.0 * whole}]  # 2 and 4 times the data a core
    monkeypatch.setattr("cluster.run.assemble.trial_sizes.alive_nodes", lambda: nodes)
    assert _data_bytes(CONFIG, task, data) == whole
    assert _data_bytes(replace(CONFIG, data_in="disk"), task, data) == 0
    nodes[0]["memory"] -= 8
    assert _data_bytes(CONFIG, task, data) == whole, "on the second node they are in memory"
    nodes[1]["memory"] = 1.0
    assert _data_bytes(CONFIG, task, data) == 0
    assert _data_bytes(replace(CONFIG, data_in="memory"), task, data) == whole
