"""Runs that are killed, continued and extended: what was trained is not trained again. All on a real Ray."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
import torch

from cluster import SearchReport, extend_search, resume_search, run_search
from cluster.ray.snapshots import ended_by_itself
from cluster.storage.run_folder import RunFolder
from cluster.storage.trial_files import MAX_FAILURES, newest_trainings, read_trials
from mpnas_ray.errors import RunError, TaskError
from trainables import Task, darcy_task, mean_relative_l2, register_task, relative_l2

pytestmark = pytest.mark.ray

TINY = register_task(darcy_task("tiny-continued", resolution=9, num_train=20, num_validation=10, num_test=10))
KEY = TINY.metric_key


def results_of(folder: Path) -> dict[str, list[dict[str, object]]]:
    """All results in a run's folder by architecture, in the order of time."""
    results: dict[str, list[dict[str, object]]] = {}
    for path in folder.glob("*/result.json"):
        for line in path.read_text().splitlines():
            result = json.loads(line)
            results.setdefault(result["config"]["arch"], []).append(result)
    return {arch: sorted(found, key=lambda result: result["timestamp"]) for arch, found in results.items()}  # type: ignore[arg-type,return-value]


def num_trained(folder: Path) -> int:
    """Count the epochs that were trained rather than reported again."""
    return sum(result["seconds"] != 0.0 for results in results_of(folder).values() for result in results)


def fresh_copy(run: Path, to: Path) -> Path:
    """Copy a run as it is when killed after its last trial, before its report."""
    shutil.copytree(run, to)
    (to / "report.json").unlink()
    return to


@pytest.fixture(scope="module")
def run(ray_cluster: None, tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Path:
    """Make a complete run of four architectures in two epochs each, by one process, as are those that go on from it."""
    storage = tmp_path_factory.mktemp("runs")
    where = {"storage": storage, "name": "run", "data_dir": data_dir}
    run_search(task=TINY, space="nasbench201", num_samples=4, epochs=2, max_concurrent=1, progress=False, **where)  # type: ignore[arg-type]
    return storage / "run"


class TestContinue:
    def test_a_complete_run_gives_its_report(self, run: Path) -> None:
        report = resume_search(run)
        assert report == SearchReport(**json.loads((run / "report.json").read_text()))
        assert resume_search(f"file://{run}") == report

    def test_trials_that_the_snapshot_does_not_know_are_not_trained_again(self, run: Path, tmp_path: Path) -> None:
        before = json.loads((run / "report.json").read_text())
        copy = fresh_copy(run, tmp_path / "run")
        (snapshot,) = copy.glob("experiment_state-*.json")
        content = json.loads(snapshot.read_text())
        content["trial_data"] = content["trial_data"][:1]  # the count and the searcher's state know more
        snapshot.write_text(json.dumps(content))
        trained = num_trained(copy)

        report = resume_search(copy, progress=False)
        assert (report.num_trials, report.num_failed) == (4, 0)
        assert (report.best_arch, report.validation, report.test) == tuple(
            before[key] for key in ("best_arch", "validation", "test")
        )
        assert num_trained(copy) == trained
        assert report.training_seconds == pytest.approx(before["training_seconds"])
        assert len(results_of(copy)) == 4, "the same architectures"

    def test_a_snapshot_that_was_cut_short_is_put_aside(self, run: Path, tmp_path: Path) -> None:
        copy = fresh_copy(run, tmp_path / "run")
        (snapshot,) = copy.glob("experiment_state-*.json")
        snapshot.write_bytes(snapshot.read_bytes()[:-1000])
        trained = num_trained(copy)
        report = resume_search(copy, progress=False)
        assert report.num_trials == 4
        assert num_trained(copy) == trained
        assert (copy / f"damaged-{snapshot.name}").exists()

    def test_a_snapshot_of_another_tune_is_an_error(self, run: Path, tmp_path: Path) -> None:
        copy = fresh_copy(run, tmp_path / "run")
        (snapshot,) = copy.glob("experiment_state-*.json")
        content = json.loads(snapshot.read_text())
        snapshot.write_text(json.dumps({**content, "trial_data": {"version": 3}}))
        with pytest.raises(RunError, match="with the version of Ray that it was started with"):
            resume_search(copy)

    def test_a_searcher_state_of_a_newer_format_is_an_error(self, run: Path, tmp_path: Path) -> None:
        import numpy as np

        copy = fresh_copy(run, tmp_path / "run")
        (state,) = copy.glob("searcher-state-*.pkl")
        with state.open("wb") as file:
            np.savez(file, plain=np.frombuffer(b'{"format": 99}', dtype=np.uint8))
        saved = state.read_bytes()
        with pytest.raises(RunError, match="has format 99"):
            resume_search(copy)
        assert state.read_bytes() == saved

    def test_records_of_older_and_newer_versions(self, run: Path, tmp_path: Path) -> None:
        record = json.loads((run / "run.json").read_text())
        copy = tmp_path / "run"
        shutil.copytree(run, copy)
        few = {key: record["config"][key] for key in ("task", "space", "num_samples", "epochs", "seed")}
        (copy / "run.json").write_text(json.dumps({**record, "config": few}))
        assert resume_search(copy).num_trials == 4
        (copy / "run.json").write_text(json.dumps(record["config"]))
        with pytest.raises(RunError, match=r"started with mpnas-ray 0\.1.*or search under another --name"):
            resume_search(copy)
        (copy / "run.json").write_text(json.dumps({**record, "format": 99}))
        with pytest.raises(RunError, match="format 99"):
            resume_search(copy)
        (copy / "run.json").write_text(json.dumps({**record, "config": {**record["config"], "nodes": 7}}))
        with pytest.raises(RunError, match=r"newer version of mpnas-ray, which knows of nodes"):
            resume_search(copy)

    def test_what_is_not_a_run(self, tmp_path: Path) -> None:
        for place in (tmp_path, tmp_path / "nowhere", f"file://{tmp_path}/nowhere"):
            with pytest.raises(RunError, match="holds no run of mpnas-ray"):
                resume_search(place)
        assert not (tmp_path / "nowhere").exists()

    def test_a_task_that_is_not_to_be_found(self, run: Path, tmp_path: Path) -> None:
        copy = fresh_copy(run, tmp_path / "run")
        record = json.loads((copy / "run.json").read_text())
        config = {**record["config"], "task": "mine"}
        (copy / "run.json").write_text(json.dumps({**record, "task_name": "mine", "config": config}))
        with pytest.raises(TaskError, match=r"no task 'mine'.*with task=\.\.\."):
            resume_search(copy)
        with pytest.raises(RunError, match="a search for task 'mine', not 'tiny-continued'"):
            resume_search(copy, task=TINY)


def test_trial_files_count_as_far_as_they_are_whole(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    trials = read_trials(RunFolder.of_run(copy))
    assert len(trials) == 4
    assert all(trial.training and trial.training.ended and trial.training.epoch == 2 for trial in trials)
    torn, first_only, bare, nothing = (copy / trial.trial_id for trial in trials)
    torn_lines = torn / "result.json"
    torn_lines.write_text(torn_lines.read_text()[:-10])
    newest = max(first_only.glob("checkpoint_*")) / "training.pt"
    newest.write_bytes(newest.read_bytes()[:-1])
    for folder in (bare, nothing):
        for checkpoint in folder.glob("checkpoint_*"):
            shutil.rmtree(checkpoint)
        (folder / "result.json").unlink()
    (nothing / "params.json").write_text('{"arch": "nasbe')
    started = {trial.trial_id: trial for trial in read_trials(RunFolder.of_run(copy))}
    assert started[nothing.name].arch == trials[3].arch, "its own file says what was under way"
    (nothing / "started.json").unlink()

    again = {trial.trial_id: trial for trial in read_trials(RunFolder.of_run(copy))}
    assert again.keys() == {torn.name, first_only.name, bare.name}
    assert (again[torn.name].result or {})[KEY] == (trials[0].result or {})[KEY], "the checkpoint says it too"
    assert again[torn.name].training == trials[0].training
    first = again[first_only.name].training
    assert first is not None
    assert (first.epoch, first.ended) == (1, False)
    assert again[bare.name].config == trials[2].config
    assert again[bare.name].training is None
    assert newest_trainings(list(again.values())).keys() == {trials[0].arch, trials[1].arch}


class TestExtend:
    def test_the_earlier_results_are_part_of_the_new_run(self, run: Path) -> None:
        before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
        report = extend_search(run, 6, name="larger", progress=False)
        assert report.num_trials == 6
        assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
        larger = results_of(run.parent / "larger")
        assert len(larger) == 6
        earlier = results_of(run)
        for arch, results in earlier.items():
            (repeated,) = larger[arch]
            assert repeated["seconds"] == 0.0
            assert repeated[KEY] == results[-1][KEY]
        assert report.validation == min(results[-1][KEY] for results in larger.values())  # type: ignore[type-var]
        assert sum(results[0]["seconds"] != 0.0 for results in larger.values()) == 2
        assert extend_search(run, 6, name="larger") == report
        assert resume_search(run.parent / "larger") == report
        with pytest.raises(RunError, match="has 4 architectures: num_samples is the number in all, more than that"):
            extend_search(run, 4)
        with pytest.raises(RunError, match=r"num_samples 6.*another --name"):
            extend_search(run, 7, name="larger")
        with pytest.raises(RunError, match="does not extend"):
            extend_search(run.parent / "larger", 9, name="run")

    @pytest.mark.usefixtures("ray_cluster")
    @pytest.mark.slow
    def test_failed_trials_count_and_are_not_repeated(self, tmp_path: Path, data_dir: Path) -> None:
        tries = tmp_path / "tries"
        tries.mkdir()

        def fragile(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            """Fail in each try of the first trial, and in no other trial."""
            number = len(list(tries.iterdir()))
            if outputs.requires_grad and number <= MAX_FAILURES:
                (tries / str(number)).touch()
                raise RuntimeError("injected")
            return relative_l2(outputs, targets)

        task = Task("fragile", TINY.load, 1, fragile, mean_relative_l2, dense=True)
        arguments = {"epochs": 1, "storage": tmp_path, "name": "run", "data_dir": data_dir, "progress": False}
        first = run_search(task=task, space="nasbench201", num_samples=2, max_concurrent=1, **arguments)  # type: ignore[arg-type]
        assert (first.num_trials, first.num_failed) == (2, 1)
        report = extend_search(tmp_path / "run", 4, task=task, progress=False)
        assert report.folder == str(tmp_path / "run-extended-4")
        assert (report.num_trials, report.num_failed) == (4, 1)
        failed = {trial.arch for trial in read_trials(RunFolder.of_run(tmp_path / "run")) if trial.failed}
        assert len(failed) == 1
        assert not failed & results_of(tmp_path / "run-extended-4").keys()


@pytest.mark.usefixtures("ray_cluster")
class TestEarlyEnds:
    @pytest.mark.parametrize(
        "scheduler",
        ["asha", *(pytest.param(name, marks=pytest.mark.slow) for name in ("hyperband", "median", "lcranknet"))],
    )
    def test_schedulers(self, scheduler: str, tmp_path: Path, data_dir: Path) -> None:
        report = run_search(
            task=TINY,
            space="nasbench201",
            num_samples=8,
            epochs=9,
            scheduler=scheduler,
            storage=tmp_path,
            name="run",
            data_dir=data_dir,
            progress=False,
        )
        assert (report.num_trials, report.num_failed) == (8, 0)
        last = [results[-1] for results in results_of(tmp_path / "run").values()]
        complete = [result[KEY] for result in last if result["epoch"] == 9]
        assert report.num_stopped == 8 - len(complete)
        if scheduler == "asha":  # the others stop nothing before more trials are under way
            assert report.num_stopped > 0
        assert report.validation == min(complete)  # type: ignore[type-var]
        with pytest.raises(RunError, match=f"scheduler '{scheduler}'"):
            run_search(
                task=TINY, space="nasbench201", num_samples=8, epochs=9, storage=tmp_path, name="run", data_dir=data_dir
            )

    def test_a_time_budget_ends_the_run(self, tmp_path: Path, data_dir: Path) -> None:
        settings = {"epochs": 2, "searcher": "random", "storage": tmp_path, "data_dir": data_dir, "progress": False}
        settings["max_concurrent"] = 1
        for budget_s in (4, 30, 120, 600):  # the machine may need more for the first trial
            shutil.rmtree(tmp_path / "run", ignore_errors=True)
            with suppress(RunError):
                report = run_search(
                    task=TINY, space="nasbench201", num_samples=10_000, time_budget_s=budget_s, name="run", **settings
                )
                break
        assert 0 < report.num_trials < 10_000
        assert report.wall_seconds >= budget_s
        assert ended_by_itself(RunFolder.of_run(tmp_path / "run"))
        assert resume_search(tmp_path / "run") == report

    @pytest.mark.slow
    def test_limits_on_the_networks(self, tmp_path: Path, data_dir: Path) -> None:
        report = run_search(
            task=TINY,
            space="nasbench201",
            num_samples=3,
            epochs=1,
            max_params=6_000,
            max_flops=400_000,
            storage=tmp_path,
            name="run",
            data_dir=data_dir,
            progress=False,
        )
        assert report.num_trials == 3
        for results in results_of(tmp_path / "run").values():
            assert int(str(results[-1]["parameters"])) <= 6_000

    @pytest.mark.parametrize("space", ["nasbench201", "mixed"])
    def test_limits_that_no_network_keeps(self, space: str, tmp_path: Path, data_dir: Path) -> None:
        with pytest.raises(RunError, match=r"within the limits: the smallest network .* has [\d,]+ parameters and"):
            run_search(
                task=TINY, space=space, num_samples=3, max_params=10, storage=tmp_path, name="run", data_dir=data_dir
            )
        assert not (tmp_path / "run").exists()


OBSERVED = """
import os
from dataclasses import replace
from trainables import get_task
from trainables.training.loop import Training

def loss(outputs, targets):  # a function of this module, so that workers import it
    return DIGITS.loss(outputs, targets)

DIGITS = get_task("digits")
TASK = replace(DIGITS, name="observed", loss=loss)
begin, run_epoch = Training.__init__, Training.run_epoch

def noted_begin(self, arch, *args, **named):
    begin(self, arch, *args, **named)
    self.noted = arch

def noted_run_epoch(self):
    result = run_epoch(self)
    with open(os.environ["OBSERVED"], "a") as log:
        log.write(f"{self.noted} {self.epoch}\\n")
    return result

Training.__init__, Training.run_epoch = noted_begin, noted_run_epoch
"""


def kill_and_resume(tmp_path: Path, num_samples: int, kills: list[int], searcher: str, seed: int) -> None:
    """Kill driver and Ray each time that a number of epochs were trained, a random moment later; resume each time."""
    (tmp_path / "observed.py").write_text(OBSERVED)
    log = tmp_path / "log"
    log.touch()
    environment = {**os.environ, "OBSERVED": str(log), "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    mpnas = [sys.executable, "-m", "cluster.cli"]
    command = [*mpnas, "search", "--task", "observed:TASK", "--space", "nasbench201", "--epochs", "1", "--name", "run"]
    command += ["--num-samples", str(num_samples), "--searcher", searcher]
    delays = random.Random(seed)
    finished: list[set[str]] = []
    trained_before: list[int] = []
    for kill in kills:
        with (tmp_path / "out").open("a") as out:
            driver = subprocess.Popen(
                command, cwd=tmp_path, stdout=out, stderr=out, env=environment, start_new_session=True
            )
        while len(log.read_text().splitlines()) < kill and driver.poll() is None:
            time.sleep(0.02)
        time.sleep(delays.uniform(0, 1.5))
        processes = psutil.Process(driver.pid).children(recursive=True)
        assert driver.poll() is None, (tmp_path / "out").read_text()
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
        psutil.wait_procs(processes)  # what Ray left behind sees that its driver is gone
        trials = read_trials(RunFolder.of_run(tmp_path / "runs" / "run"))
        finished.append({trial.arch for trial in trials if trial.training and trial.training.ended})
        trained_before.append(len(log.read_text().splitlines()))
        command = [*mpnas, "resume", str(tmp_path / "runs" / "run")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    report = SearchReport(**json.loads((tmp_path / "runs" / "run" / "report.json").read_text()))
    assert (report.num_trials, report.num_failed, report.num_nan) == (num_samples, 0, 0)

    lines = log.read_text().splitlines()
    for archs, line in zip(finished, trained_before, strict=True):
        assert len(archs) > 0
        assert not archs & {trained.rpartition(" ")[0] for trained in lines[line:]}, "finished, and trained again"
    times = Counter(trained.rpartition(" ")[0] for trained in lines)
    assert len(times) == num_samples, "a killed architecture is not given up for another"
    assert sum(times.values()) <= num_samples + 2 * len(kills), "only those under way at a kill are trained again"
    # Of a trial that ended just before a kill, the result may be in its checkpoint alone: Tune had not written it yet.
    trials = read_trials(RunFolder.of_run(tmp_path / "runs" / "run"))
    assert {trial.arch for trial in trials if trial.result and trial.result["done"]} == times.keys()
    assert searcher != "mpnas" or report.num_refits >= 1, "resumed searchers learn on"  # of those told before a kill


@pytest.mark.slow  # test_storage_s3.py kills driver and head each time
def test_killed_and_resumed(tmp_path: Path) -> None:
    kill_and_resume(tmp_path, 8, [3], "random", seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("searcher", ["mpnas"])
def test_killed_five_times_in_sixty_trials(tmp_path: Path, searcher: str) -> None:
    kill_and_resume(tmp_path, 60, [4, 14, 26, 38, 50], searcher, seed=int(os.environ.get("KILL_SEED", "0")))
