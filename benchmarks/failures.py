"""Show which failures a search survives: benchmarks/results/failures.{json,md}.

    python benchmarks/failures.py
    python benchmarks/failures.py --only worker-node driver

Each case is a search by ``mpnas search`` on a cluster of its own, of several raylets on this machine with logical GPUs,
to which something happens. Then its folder is audited: is every trial accounted for, was one trained twice, is the
result that of the search to which nothing happened? Cases that are done are kept in a folder, and the same command goes
on from there. The exit status is 1 if one was not survived.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import ray
from failure_ground import ENVIRONMENT, EPOCHS, NUM_TRIALS, ROOT, Ground
from faulty_digits import HANG, MEMORY
from flaky_storage import FlakyStorage
from ray_inside import actors, available_resources_per_node
from timing import RESULTS, facts, write_results

from cluster.ray.jobs import follow_job, submit_job
from cluster.storage.run_folder import RunFolder
from cluster.storage.trial_files import read_trials
from cluster.work.items import Store, WorkItem
from cluster.work.running import compute_once
from mpnas_ray.errors import MPNASError
from searchers.background import BackgroundActor


@dataclass(frozen=True)
class Outcome:
    """The outcome of a search.

    Attributes:
        happened: Failure that it met, in words and numbers.
        seconds: Seconds from its start to its report.
        num_trials: Number of trials by the report.
        num_failed: Number of failed trials by the report.
        num_twice: Architectures of which more than one training was carried to its end.
        epochs_repeated: Epochs trained beyond those of the undisturbed search, which were lost and done again.
        best: The architecture chosen, with its validation score.
        archs: All architectures that were tried.
    """

    happened: str
    seconds: float
    num_trials: int
    num_failed: int
    num_twice: int
    epochs_repeated: int
    best: tuple[str, float]
    archs: tuple[str, ...]


def undisturbed(ground: Ground) -> str:
    ground.start(ground.command())
    return "nothing"


def worker_node(ground: Ground) -> str:
    ground.start(ground.command())
    ground.wait_for_trials(1)
    ground.cluster.remove_node(ground.nodes[0], allow_graceful=False)
    ground.wait_for_trials(3)
    ground.add_node()
    return "the raylet of a node with a trial on it was killed, later another node came"


def _refit_actors() -> list[dict[str, Any]]:
    kind = BackgroundActor.__name__
    return [actor for actor in actors().values() if actor["ActorClassName"] == kind and actor["State"] == "ALIVE"]


def refit_node(ground: Ground) -> str:
    """Search with refits, whose actor takes no CPU and may be on any node."""
    ground.start(ground.command("--searcher", "mpnas", num_trials=8))
    ground.wait_for_trials(2)
    ray.init(ground.cluster.address, log_to_driver=False)
    ground.wait(_refit_actors)  # it starts once the first trial has ended
    actor = _refit_actors()[0]
    nodes = {node.node_id: node for node in ground.nodes}
    where = actor["Address"]["NodeID"]
    if where in nodes:
        ground.cluster.remove_node(nodes[where], allow_graceful=False)
        return "the node with the refit actor was killed, with the trial on it"
    os.kill(actor["Pid"], signal.SIGKILL)
    ground.cluster.remove_node(ground.nodes[0], allow_graceful=False)
    return "the refit actor was killed on the head, where the driver is, and a node with a trial besides"


def node_added(ground: Ground) -> str:
    ground.start(ground.command())
    ground.wait_for_trials(1)
    ray.init(ground.cluster.address, log_to_driver=False)
    start, node = time.monotonic(), ground.add_node()
    ground.wait(lambda: available_resources_per_node().get(node.node_id, {}).get("GPU", 0.0) == 0.0)
    return f"a second node came, and had a trial after {time.monotonic() - start:.0f} s"


def driver(ground: Ground) -> str:
    """Search in a job that is killed with -9 and submitted once more."""
    address = f"http://127.0.0.1:{ground.dashboard_port}"
    command, runs = ground.command(), Path(ground.storage)
    printed: list[str] = []
    first = submit_job(command, address=address, working_dir=ROOT)
    ground.wait(lambda: list(runs.glob(f"run/*/checkpoint_{EPOCHS - 1:06}")))  # a trial has ended
    for process in _processes("cluster.cli", ground.storage):
        process.kill()
    status = follow_job(first, address=address, echo=printed.append)
    again = submit_job(command, address=address, working_dir=ROOT)
    status_again = follow_job(again, address=address, echo=printed.append)
    if status == 0 or status_again != 0:
        raise RuntimeError(f"The jobs ended with {status} and {status_again}:\n{''.join(printed)[-3000:]}")
    return f"the driver, a job, was killed with -9 after a trial; submitted again, it ended with status {status_again}"


def hang(ground: Ground) -> str:
    (ground.faults / HANG).touch()
    ground.start(ground.command("--trial-time-limit-s", "20"))
    return "an epoch slept for an hour; the limit was 20 s"


def memory(ground: Ground) -> str:
    (ground.faults / MEMORY).touch()
    ground.start(ground.command())
    return "a trial filled the memory until Ray's memory monitor killed its worker"


def storage(ground: Ground) -> str:
    with FlakyStorage() as flaky:
        os.environ.update(flaky.environment)
        ground.storage = flaky.bucket("runs")
        return _with_storage_away(ground, flaky)


def _with_storage_away(ground: Ground, flaky: FlakyStorage) -> str:
    ground.nodes = [ground.add_node(), ground.add_node()]  # their workers know where storage is
    ground.start(ground.command())
    ground.wait_for_trials(1)
    refused = flaky.be_away(10.0)
    ground.finish()
    shutil.copytree(flaky.download("runs", ground.folder / "copy"), ground.folder / "runs", dirs_exist_ok=True)
    ground.storage = str(ground.folder / "runs")
    return f"storage that speaks S3 was away for 10 s, in which {refused} connections were refused"


def clock(ground: Ground) -> str:
    found = find_spec("libfaketime")  # it is not imported: what it does in Python wants more packages
    if found is None or found.origin is None:
        raise RuntimeError("pip install libfaketime")
    library = Path(found.origin).parent / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"
    ground.add_node(
        env_vars={
            "LD_PRELOAD": str(library),
            "FAKETIME": "+3600s",
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
        }
    )
    ground.start(ground.command())
    return "the clock of one of two nodes was an hour ahead"


@dataclass(frozen=True)
class Case:
    """A search and its disturbance.

    Attributes:
        disturb: Starts the search, disturbs it, and says how in words.
        num_nodes: Number of nodes beside the head in the beginning.
        head_gpus: GPUs of the head.
        jobs: Whether the search is a job.
        num_trials: Number of trials of the search.
        comparable: Whether it proposes what the undisturbed one does.
    """

    disturb: Callable[[Ground], str]
    num_nodes: int = 2
    head_gpus: int = 0
    jobs: bool = False
    num_trials: int = NUM_TRIALS
    comparable: bool = True


CASES = {
    "undisturbed": Case(undisturbed, num_nodes=0, head_gpus=2),
    "worker-node": Case(worker_node),
    "refit-node": Case(refit_node, num_trials=8, comparable=False),
    "node-added": Case(node_added, num_nodes=1),
    # Several raylets of one machine would share the folder of the job, and one was seen to delete it under the others.
    "driver": Case(driver, num_nodes=0, head_gpus=2, jobs=True, comparable=False),
    "hang": Case(hang),
    "memory": Case(
        memory, num_nodes=1
    ),  # each raylet looks at the memory of this machine, and would kill a worker of its own
    "storage": Case(storage, num_nodes=0),
    "clock": Case(clock, num_nodes=1),
}


def run(name: str) -> Outcome:
    """Run one case on a cluster of its own."""
    case = CASES[name]
    with tempfile.TemporaryDirectory(prefix="failures-") as folder, _environment(name):
        ground = Ground(Path(folder), case.num_nodes, case.head_gpus, case.jobs)
        try:
            start = time.monotonic()
            happened = case.disturb(ground)
            if name != "driver":
                ground.finish()
            return _audit(ground, happened, time.monotonic() - start)
        finally:
            ground.close()


@contextmanager
def _environment(name: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    if name == "memory":
        memory = psutil.virtual_memory()
        os.environ |= {"RAY_memory_usage_threshold": f"{(memory.total - memory.available + 6e9) / memory.total:.3f}"}
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _audit(ground: Ground, happened: str, seconds: float) -> Outcome:
    folder = RunFolder(ground.storage, "run")
    report = folder.read_json("report.json")
    assert report is not None, "a search that ended well has a report"
    trials = read_trials(folder)
    whole = [trial.arch for trial in trials if trial.result and trial.result["epoch"] == EPOCHS]
    results = [
        json.loads(line)
        for trial in trials
        for line in (folder.read(f"{trial.trial_id}/result.json") or "").splitlines()
    ]
    trained = sum(result.get("seconds", 0.0) > 0 for result in results)
    return Outcome(
        happened,
        seconds,
        report["num_trials"],
        report["num_failed"],
        len(whole) - len(set(whole)),
        trained - EPOCHS * len(set(whole)),
        (report["best_arch"], report["validation"]),
        tuple(sorted({trial.arch for trial in trials})),
    )


def faults_of(name: str, outcome: Outcome, reference: Outcome) -> list[str]:
    """List the ways in which the search did not survive."""
    case = CASES[name]
    found = {
        f"{outcome.num_trials} trials instead of {case.num_trials}": outcome.num_trials != case.num_trials,
        f"{outcome.num_failed} trials failed": outcome.num_failed > 0,
        f"{outcome.num_twice} trained twice": outcome.num_twice > 0,
        "other architectures": case.comparable and outcome.archs != reference.archs,
        "another result": case.comparable and outcome.best != reference.best,
    }
    return [fault for fault, is_so in found.items() if is_so]


def page(outcomes: dict[str, Outcome], about: dict[str, Any]) -> list[str]:
    reference = outcomes["undisturbed"]
    rows = []
    for name, outcome in outcomes.items():
        faults = "; ".join(faults_of(name, outcome, reference)) or "yes"
        result = "same" if CASES[name].comparable else "report"
        rows.append(
            f"| {name} | {outcome.happened} | {faults} | {outcome.num_trials} | {outcome.num_twice} "
            f"| {outcome.epochs_repeated} | {result} | {outcome.seconds:.0f} |"
        )
    return [
        "# What a search survives",
        "",
        f"    {about['command']}",
        "",
        f"Searches of {NUM_TRIALS} architectures (refit-node: 8) for {EPOCHS} epochs each by `mpnas search`, networks "
        "really trained, on clusters of several raylets on one machine with logical GPUs, one for each trial. A trial "
        "that loses its worker is tried again from its last checkpoint, which it has after each epoch.",
        "",
        "| case | what happened | survived | trials | trained twice | epochs done again | result | seconds |",
        "| --- | --- | --- | ---: | ---: | ---: | --- | ---: |",
        *rows,
        "",
        "*Same*: the same architectures were tried, and the best one and its validation score are to the last digit "
        "those of the search to which nothing happened. *Report*: all trials are accounted for, but others may be "
        "proposed: where proposals depend on results, and so on which trial is the first to end, or where the driver "
        "is killed before Tune's first snapshot has noted how far they were. *Epochs done again* counts what was under "
        "way when a worker was lost and had been reported, but not saved.",
        "",
        f"{about['machine']}; {', '.join(f'{name} {number}' for name, number in about['versions'].items())}. All "
        "raylets share this machine's memory, disk and, but for `clock`, its clock; networks between nodes were not "
        "cut.",
    ]


def _processes(*words: str) -> list[psutil.Process]:
    """Find the processes of Python whose command line has all of these words."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if (
            line
            and Path(line[0]).name.startswith("python")
            and all(any(word in part for part in line) for word in words)
        ):
            found.append(process)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES), help="cases to run")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/failures"), help="folder of the outcomes of finished cases"
    )
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    outcomes, broken, store = {}, False, Store(given.work)
    for name in dict.fromkeys(["undisturbed", *given.only]):
        try:
            read = compute_once(WorkItem(name, {}, lambda name=name: asdict(run(name))), store)  # type: ignore[misc]
        except (RuntimeError, AssertionError, MPNASError, subprocess.TimeoutExpired) as error:
            print(f"{name}: NOT SURVIVED: {error}", flush=True)
            broken = True
            continue
        outcomes[name] = Outcome(**{**read, "best": tuple(read["best"]), "archs": tuple(read["archs"])})
        faults = faults_of(name, outcomes[name], outcomes["undisturbed"])
        print(f"{name}: {'; '.join(faults) or 'survived'} ({outcomes[name].seconds:.0f} s)", flush=True)
        broken = broken or bool(faults)
    about = facts("ray", "torch")
    content = {**about, "outcomes": {name: asdict(outcome) for name, outcome in outcomes.items()}}
    write_results(given.out, "failures", content, page(outcomes, about))
    sys.exit(broken)


if __name__ == "__main__":
    main()
