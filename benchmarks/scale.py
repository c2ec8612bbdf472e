"""Scale, simulated on one machine: benchmarks/results/scale.{json,md,png}.

    python benchmarks/scale.py

Eight raylets with logical GPUs; trials look a table up and sleep, so that the driver has as much to do as with real
ones. Questions, for our searcher and for Ray Tune's OptunaSearch on the same table:

    busy     64 trials of 30 s at a time: what fraction of the GPUs' time is slept, rather than waited for the driver?
    cost     2,000 trials: the driver's CPU time and memory, snapshots, the searcher's state, all of them as they grow;
             then the driver is killed, and how long does it take to go on?
    pace     the same with snapshots at another pace
    reports  trials that report ten times: what does a result cost?

`scale_page` extrapolates. Each experiment runs in a process of its own (`scale_driver`) on a cluster of its own; what
it gave is kept in a folder, and the same command goes on from there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
from ray.cluster_utils import Cluster
from scale_driver import PACE, SEARCHERS, Case
from scale_page import page, plot
from timing import RESULTS, facts, write_results

from cluster.work.items import Store, WorkItem
from cluster.work.running import compute_once

NODES = 8
OBJECT_STORE_BYTES = 100 * 2**20
"""Object store of each node; the least that Ray takes is 75 MiB."""

ENVIRONMENT = {"RAY_AUTH_MODE": "disabled", "OMP_NUM_THREADS": "1", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


def cases(given: argparse.Namespace) -> Iterator[Case]:
    """List the experiments, searchers in turns, so that a change of the machine's load meets all of them."""

    def cost(name: str, searcher: str, **others: Any) -> Case:
        """Describe an experiment whose driver is killed."""
        return Case(
            name,
            searcher,
            given.trials + given.slots,
            given.slots,
            given.seconds,
            kill_at=given.trials,
            mark_every=given.trials // 20,
            **others,
        )

    for repeat in range(given.repeats):
        names = list(SEARCHERS) if repeat % 2 == 0 else list(SEARCHERS)[::-1]
        for name in names:
            yield cost(f"cost-{repeat}-{name}", name, seed=repeat)
    yield cost("pace-MPNASSearch", "MPNASSearch", pace="1" if PACE == "auto" else "auto")
    for name in SEARCHERS:
        yield Case(f"reports-{name}", name, given.trials // 4, given.slots, given.seconds, reports=10)
    for name in SEARCHERS:
        yield Case(f"busy-{name}", name, given.busy_trials, given.busy_slots, given.busy_seconds, mark_every=50)


@contextmanager
def cluster_of(slots: int) -> Iterator[Cluster]:
    """Start ``NODES`` raylets on this machine, which together have a logical GPU and CPU for each slot."""
    each = -(-slots // NODES)
    node = {"num_cpus": each, "num_gpus": each, "object_store_memory": OBJECT_STORE_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False, "dashboard_port": 0})
    try:
        for _ in range(NODES - 1):
            cluster.add_node(wait=False, **node)
        cluster.wait_for_nodes()
        yield cluster
    finally:
        cluster.shutdown()


@dataclass
class Observer:
    """A look from outside at all processes of a cluster and its driver, once a second.

    Attributes:
        cluster: The cluster.
        available_before: Bytes of memory that were free before it started.
        cpu: Kind of process -> process -> CPU seconds up to the last look.
        rss: Kind of process -> most bytes that its processes held together.
        store_bytes: Most bytes that lay in the object stores.
        memory_bytes: Most bytes that were in use on the machine beyond those before.
    """

    cluster: Cluster
    available_before: int
    cpu: dict[str, dict[int, float]] = field(default_factory=dict)
    rss: dict[str, int] = field(default_factory=dict)
    store_bytes: float = 0.0
    memory_bytes: int = 0

    def look(self, driver: int) -> None:
        sums: dict[str, int] = {}
        for process in psutil.Process().children(recursive=True):
            try:
                with process.oneshot():
                    kind = "driver" if process.pid == driver else kind_of(" ".join(process.cmdline()[:1]))
                    times, rss = process.cpu_times(), process.memory_info().rss
            except psutil.Error:
                continue
            if kind is not None:
                self.cpu.setdefault(kind, {})[process.pid] = times.user + times.system
                sums[kind] = sums.get(kind, 0) + rss
        for kind, rss in sums.items():
            self.rss[kind] = max(rss, self.rss.get(kind, 0))
        nodes = self.cluster.global_state.available_resources_per_node().values()
        free = sum(node.get("object_store_memory", 0.0) for node in nodes)
        if len(nodes) == NODES:
            self.store_bytes = max(self.store_bytes, NODES * OBJECT_STORE_BYTES - free)
        self.memory_bytes = max(self.memory_bytes, self.available_before - psutil.virtual_memory().available)

    def seen(self) -> dict[str, Any]:
        return {
            "cpu": {kind: sum(processes.values()) for kind, processes in self.cpu.items()},
            "processes": {kind: len(processes) for kind, processes in self.cpu.items()},
            "rss": self.rss,
            "store_bytes": self.store_bytes,
            "memory_bytes": self.memory_bytes,
        }


def kind_of(command: str) -> str | None:
    """Tell the kind of a process of Ray's by its command; None for one that has no task yet."""
    if command.startswith("ray::"):
        if "RankingActor" in command:
            return "refits"
        if "SleepingTrial" in command:
            return "trials"
        return "agents" if "Agent" in command else None
    name = Path(command).name
    return name if name in ("gcs_server", "raylet") else "other"


def run(case: Case, work: Path) -> dict[str, Any]:
    """Run the experiment on a new cluster, then its continuation if its driver is killed."""
    folder = work / case.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "case.json").write_text(json.dumps(asdict(case)), encoding="utf-8")
    available = psutil.virtual_memory().available
    with cluster_of(case.slots) as cluster:
        observer = Observer(cluster, available)
        status = drive("start", folder, cluster, observer)
        expected = 0 if case.kill_at is None else -signal.SIGKILL
        if status != expected:
            raise RuntimeError(f"{case.name} ended with {status}, not {expected}: see {folder}/start.log.")
        marks = [json.loads(line) for line in (folder / "marks.jsonl").read_text(encoding="utf-8").splitlines()]
        row = {"case": asdict(case), "marks": marks, "seen": observer.seen()}
        if case.kill_at is not None:
            if drive("resume", folder, cluster, Observer(cluster, available)) != 0:
                raise RuntimeError(f"{case.name} could not be resumed: see {folder}/resume.log.")
            row["resumed"] = json.loads((folder / "resumed.json").read_text(encoding="utf-8"))
    shutil.rmtree(folder)
    return row


def drive(action: str, folder: Path, cluster: Cluster, observer: Observer) -> int:
    """Run a driver to its end, with a look at all processes each second, and return its exit status."""
    command = [sys.executable, str(Path(__file__).with_name("scale_driver.py")), action, str(folder)]
    environment = {**os.environ, "RAY_ADDRESS": cluster.address}
    with (folder / f"{action}.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            while process.poll() is None:
                observer.look(process.pid)
                time.sleep(1.0)
        finally:
            process.kill()
    return process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--trials", type=int, default=2_000, help="trials of the cost experiments, after which the driver is killed"
    )
    parser.add_argument("--slots", type=int, default=16, help="trials at a time in the cost experiments")
    parser.add_argument("--seconds", type=float, default=1.0, help="seconds of a trial in the cost experiments")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--busy-trials", type=int, default=768)
    parser.add_argument("--busy-slots", type=int, default=64)
    parser.add_argument("--busy-seconds", type=float, default=30.0)
    parser.add_argument(
        "--work", type=Path, default=Path("runs/scale"), help="folder of the results of finished experiments"
    )
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    os.environ.update(ENVIRONMENT)
    store, rows = Store(given.work.resolve()), []
    for case in cases(given):
        start = time.perf_counter()
        item = WorkItem(case.name, asdict(case), lambda case=case: run(case, store.folder))  # type: ignore[misc]
        rows.append(compute_once(item, store))
        print(f"{case.name}: {time.perf_counter() - start:.0f} s", flush=True)
    for row in rows:
        if not row["case"]["name"].startswith(
            "busy-"
        ):  # nothing is made of when these began, and it is most of the file
            row["marks"] = [{**mark, "spans": []} for mark in row["marks"]]
    content = {**facts("ray", "torch", "numpy", "optuna"), "nodes": NODES, "runs": rows}
    write_results(given.out, "scale", content, page(content))
    plot(content, given.out / "scale.png")


if __name__ == "__main__":
    main()
