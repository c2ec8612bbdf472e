"""A cluster of raylets on this machine, a search on it, and ways to interfere: for benchmarks/failures.py."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from flaky_storage import free_port
from ray.cluster_utils import Cluster

ROOT = Path(__file__).resolve().parents[1]
NUM_TRIALS, EPOCHS = 6, 4
PATIENCE_S = 1800.0
"""Seconds to wait for anything; far more than it takes on a free machine."""

ENVIRONMENT = {
    "RAY_AUTH_MODE": "disabled",
    "OMP_NUM_THREADS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "PYTHONPATH": f"{ROOT}:{ROOT / 'benchmarks'}",
    "RAY_health_check_period_ms": "1000",  # a dead node is known after seconds, so that cases are short
    "RAY_memory_monitor_refresh_ms": "1000",
}


class Ground:
    """A cluster, a search on it, and ways to interfere."""

    def __init__(self, folder: Path, num_nodes: int, head_gpus: int, jobs: bool) -> None:
        """Start a head, and nodes with a CPU and a GPU each.

        Args:
            folder: Folder for runs, logs and faults.
            num_nodes: Number of nodes beside the head.
            head_gpus: GPUs of the head, which takes no trials without any.
            jobs: Whether the head has a dashboard, which takes jobs.
        """
        self.folder, self.storage = folder, str(folder / "runs")
        self.faults = folder / "faults"
        self.faults.mkdir(parents=True)
        os.environ["MPNAS_FAULTS"] = str(self.faults)
        self.dashboard_port = free_port()
        self.cluster = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": max(1, head_gpus),
                "num_gpus": head_gpus,
                "include_dashboard": jobs,
                "dashboard_host": "127.0.0.1",
                "dashboard_port": self.dashboard_port,
                "dashboard_agent_listen_port": free_port(),  # Ray's own may be that of another cluster: then no jobs
            },
        )
        self.nodes = [self.add_node() for _ in range(num_nodes)]
        self.log, self._driver = folder / "driver.log", None

    def add_node(self, **options: Any) -> Any:
        return self.cluster.add_node(num_cpus=1, num_gpus=1, dashboard_agent_listen_port=free_port(), **options)

    def command(self, *options: str, task: str = "faulty_digits:TASK", num_trials: int = NUM_TRIALS) -> list[str]:
        """Words after ``mpnas``. Random proposals depend on no result, so that every run has the same ones."""
        given = {"--task": task, "--space": "nasbench201", "--num-samples": num_trials, "--epochs": EPOCHS}
        given |= {"--gpus-per-trial": 1, "--storage": self.storage, "--name": "run", "--searcher": "random"}
        given |= dict(zip(options[::2], options[1::2], strict=True))
        return ["search", *(str(word) for pair in given.items() for word in pair)]

    def start(self, command: list[str]) -> None:
        with self.log.open("a") as log:
            self._driver = subprocess.Popen(
                [sys.executable, "-m", "cluster.cli", *command],
                cwd=ROOT / "benchmarks",
                env={**os.environ, "RAY_ADDRESS": self.cluster.address},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_for_trials(self, count: int) -> None:
        """Wait until so many have ended, by the lines that the search prints."""
        self.wait(lambda: sum(line.startswith("[") for line in self.log.read_text().splitlines()) >= count)

    def wait(self, condition: Callable[[], Any]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > end or (self._driver is not None and self._driver.poll() not in (None, 0)):
                raise RuntimeError(f"The search did not get so far:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.2)

    def finish(self) -> None:
        assert self._driver is not None
        status = self._driver.wait(PATIENCE_S)
        if status:
            raise RuntimeError(f"The search ended with status {status}:\n{self.log.read_text()[-3000:]}")

    def close(self) -> None:
        if self._driver is not None and self._driver.poll() is None:
            self._driver.kill()
        ray.shutdown()
        self.cluster.shutdown()
