"""Whole searches on a real Ray: small, but nothing in them is replaced."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cluster import SearchReport, run_search
from cluster.run.extend import extend_search
from cluster.run.finish import best_result
from mpnas_ray.errors import RunError, TaskError
from mpnas_ray.explaining import Explanation
from mpnas_ray.spaces import get_space, parse_architecture
from trainables import (
    Recipe,
    Split,
    Task,
    TaskData,
    accuracy,
    cross_entropy,
    darcy_task,
    load_network,
    mean_relative_l2,
    relative_l2,
)

pytestmark = pytest.mark.ray

TINY = darcy_task("tiny", resolution=9, num_train=20, num_validation=10, num_test=10)


def waves(data_dir: Path | None) -> TaskData:
    """Make a user's own data, unknown to the package: which of two frequencies does a noisy wave have?"""
    generator = torch.Generator().manual_seed(0)

    def split(n: int) -> Split:
        labels = torch.randint(2, (n,), generator=generator)
        time = torch.linspace(0, 1, 24)
        waves = torch.sin(2 * torch.pi * (2 + 3 * labels[:, None]) * time)
        return Split((waves + 0.3 * torch.randn(n, 24, generator=generator))[:, None], labels)

    return TaskData(train=split(60), validation=split(40), test=split(40))


@pytest.mark.slow
def test_trials_of_several_workers_are_searched_stopped_and_extended(tmp_path: Path, data_dir: Path) -> None:
    """Stopped ones leave nothing behind: the next trial needs both CPUs of the cluster."""
    settings = {"epochs": 5, "storage": tmp_path, "name": "run", "data_dir": data_dir, "workers_per_trial": 2}
    report = run_search(task=TINY, space="nasbench201", num_samples=4, scheduler="asha", **settings)
    assert (report.num_trials, report.num_failed, report.max_concurrent) == (4, 0, 1)
    assert report.num_stopped > 0
    network = load_network(f"{report.folder}/best")
    assert network.card.scores["validation_relative_l2"] == pytest.approx(report.validation, rel=1e-4)
    extended = extend_search(report.folder, 5, task=TINY)
    assert extended.num_trials == 5
    trained = [json.loads(path.read_text().splitlines()[-1]) for path in Path(extended.folder).glob("*/result.json")]
    assert sum(result["seconds"] == 0 for result in trained) == 4, "reported, not trained again"
    with pytest.raises(RunError, match="hyperband pauses trials"):
        run_search(
            task=TINY, space="nasbench201", num_samples=4, scheduler="hyperband", **{**settings, "name": "other"}
        )


@pytest.mark.usefixtures("ray_cluster")
class TestRunSearch:
    def test_a_search_from_start_to_report(self, tmp_path: Path, data_dir: Path, capfd: pytest.CaptureFixture) -> None:  # type: ignore[type-arg]
        report = run_search(
            task=TINY,
            space="nasbench201",
            num_samples=9,
            epochs=2,
            storage=tmp_path,
            name="run",
            seed=1,
            data_dir=data_dir,
            max_concurrent=2,
        )
        assert (report.num_trials, report.num_failed, report.num_nan) == (9, 0, 0)
        assert report.best_arch in get_space("nasbench201")
        assert 0 < report.busy_fraction <= 1.0

        # The choice is by validation, over all trials, and the network on disk is the one that was scored.
        folder = tmp_path / "run"
        finals = [json.loads(path.read_text().splitlines()[-1]) for path in folder.glob("*/result.json")]
        assert len(finals) == 9
        assert report.validation == min(final["validation_relative_l2"] for final in finals)
        assert len({parse_architecture(final["config"]["arch"]).canonical for final in finals}) == 9
        assert not any("test" in key for final in finals for key in final)
        network = load_network(report.network)
        test = TINY.load_checked(data_dir).test
        with torch.no_grad():
            assert TINY.metric.function(network(test.inputs), test.targets) == pytest.approx(report.test, rel=1e-5)

        events = [json.loads(line) for line in (folder / "telemetry.jsonl").read_text().splitlines()]
        kinds = [event["event"] for event in events]
        assert kinds.count("proposal") == kinds.count("result") == 9
        assert kinds.count("refit") == report.num_refits

        explanation = Explanation.of_json((folder / "explanation.json").read_text())
        assert explanation.arch == report.best_arch
        assert explanation.costs["parameters"] == report.parameters

        printed = capfd.readouterr().out
        assert "[9/9]" in printed
        assert "\x1b" not in printed, "a log file holds no control characters"
        text = str(report)
        assert report.best_arch in text
        assert "load_network" in text

        # The same command again gives the report, trains nothing; another one is refused.
        before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
        again = run_search(
            task=TINY,
            space="nasbench201",
            num_samples=9,
            epochs=2,
            storage=tmp_path,
            name="run",
            seed=1,
            data_dir=data_dir,
        )
        assert again == report
        assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
        with pytest.raises(RunError, match=r"searcher 'mpnas'.*another --name"):
            run_search(
                task=TINY,
                space="nasbench201",
                num_samples=9,
                epochs=2,
                storage=tmp_path,
                name="run",
                seed=1,
                searcher="random",
            )

    @pytest.mark.slow  # as a task of a module's, in tests/docs
    def test_a_users_own_task_reaches_the_workers(self, tmp_path: Path) -> None:
        task = Task("waves", waves, num_outputs=2, loss=cross_entropy, metric=accuracy, recipe=Recipe(epochs=6))
        report = run_search(
            task=task,
            space="nasbenchasr",
            num_samples=2,
            storage=tmp_path,
            searcher="random",
            progress=False,
            max_concurrent=2,
        )
        assert report.task == "waves"
        assert report.mode == "max"
        assert report.validation > 0.6

    def test_failing_and_diverging_trials_are_counted(self, tmp_path: Path, data_dir: Path) -> None:
        counter = tmp_path / "count"
        counter.mkdir()

        def fragile(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            taken = len(list(counter.iterdir()))
            if outputs.requires_grad and taken < 5:  # the first three trials: a failing one is tried three times
                (counter / str(time.monotonic_ns())).touch()
                if taken >= 3:
                    return relative_l2(outputs, targets) * float("nan")
                raise RuntimeError("injected")
            return relative_l2(outputs, targets)

        task = Task("fragile", TINY.load, 1, fragile, mean_relative_l2, dense=True)
        report = run_search(
            task=task,
            space="nasbench201",
            num_samples=4,
            epochs=1,
            storage=tmp_path,
            searcher="random",
            data_dir=data_dir,
            max_concurrent=1,
        )
        assert (report.num_trials, report.num_failed, report.num_nan) == (4, 1, 2)

    def test_nothing_succeeds(self, tmp_path: Path, data_dir: Path) -> None:
        def broken(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("injected")

        task = Task("broken", TINY.load, 1, broken, mean_relative_l2, dense=True)
        with pytest.raises(RunError, match=r"No trial gave a finite validation_relative_l2.*injected"):
            run_search(
                task=task,
                space="nasbench201",
                num_samples=1,
                epochs=1,
                storage=tmp_path,
                searcher="random",
                data_dir=data_dir,
                progress=False,
            )

    def test_logical_gpus(self, tmp_path: Path, data_dir: Path) -> None:
        report = run_search(
            task=TINY,
            space="nasbench201",
            num_samples=2,
            epochs=1,
            gpus_per_trial=1.0,
            searcher="random",
            storage=tmp_path,
            data_dir=data_dir,
        )
        assert report.max_concurrent == 2
        with pytest.raises(RunError, match="3 GPU on one node"):
            run_search(
                task=TINY, space="nasbench201", num_samples=2, storage=tmp_path, gpus_per_trial=3.0, data_dir=data_dir
            )

    def test_missing_data_are_one_error_before_any_trial(self, tmp_path: Path) -> None:
        def missing(data_dir: Path | None) -> TaskData:
            raise TaskError("waves.npz is missing: get it from there.")

        task = Task("missing", missing, 2, cross_entropy, accuracy)
        with pytest.raises(TaskError, match=r"waves\.npz is missing"):
            run_search(task=task, space="nasbench201", num_samples=2, storage=tmp_path)

    def test_a_strange_folder_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "thesis.tex").write_text("mine")
        with pytest.raises(RunError, match="something else"):
            run_search(task=TINY, space="nasbench201", num_samples=2, storage=tmp_path, name="run")


def test_the_best_result_leaves_out_failures_values_that_are_not_finite_and_partial_trainings() -> None:
    class Result:
        def __init__(self, value: float, error: Exception | None = None, epoch: int = 3) -> None:
            self.metrics, self.error = {"validation_x": value, "epoch": epoch}, error
            self.checkpoint: str | None = "somewhere"

    results = [Result(float("nan")), Result(0.5), Result(0.1, RuntimeError("x")), Result(0.3), Result(float("-inf"))]
    assert best_result(results, "validation_x", "min", 3) is results[3]
    assert best_result(results, "validation_x", "max", 3) is results[1]

    # A training that was stopped early is chosen only if there is no other.
    stopped = Result(0.01, epoch=1)
    assert best_result([*results, stopped], "validation_x", "min", 3) is results[3]
    assert best_result([results[0], stopped], "validation_x", "min", 3) is stopped
    out_of_patience = Result(0.2, epoch=2)
    out_of_patience.metrics["training_iteration"] = 3
    assert best_result([*results, stopped, out_of_patience], "validation_x", "min", 3) is out_of_patience
    stopped.checkpoint = None
    with pytest.raises(RunError, match="No trial gave a finite"):
        best_result([results[0], stopped], "validation_x", "min", 3)
    stopped.metrics = {}
    with pytest.raises(RunError, match="ended before their first epoch"):
        best_result([stopped], "validation_x", "min", 3)


def num_ended_checkpoints(run: Path) -> int:
    records = [json.loads(path.read_text()) for path in run.glob("*/checkpoint_*/trial.json")]
    return sum(record["result"]["done"] for record in records)


def test_interrupted_and_continued(
    tmp_path: Path, held_task: Any, on_ray: dict[str, str], wait_for: Callable[..., Any]
) -> None:
    """Ctrl-C in the middle; the same command goes on, and no finished trial is trained again."""
    # Two trials at a time leave at most two of six epochs in trainings that have not ended: two trainings have then.
    held_task.hold_after(6)
    arguments = ["search", "--task", held_task.reference, "--space", "nasbench201", "--num-samples", "6"]
    arguments += ["--epochs", "2", "--max-concurrent", "2"]
    command = [sys.executable, "-m", "cluster.cli", *arguments, "--name", "run", "--storage", str(tmp_path)]
    environment = {**on_ray, "PYTHONUNBUFFERED": "1"}
    first = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=held_task.folder,
        env=environment,
        start_new_session=True,
    )
    assert first.stdout is not None
    assert first.stderr is not None
    for line in first.stdout:
        if line.startswith("[2/6]"):
            # Tune announces a trial's end before its last checkpoint is written, without which it is trained again.
            wait_for(lambda: num_ended_checkpoints(tmp_path / "run") == 2, "the last checkpoints of two trials")
            os.killpg(first.pid, signal.SIGINT)
            held_task.let_go()
            break
    errors = first.stderr.read()
    assert first.wait() == 130
    assert "The same command with --name run goes on from there." in errors
    finished = {
        path: path.read_text() for path in tmp_path.glob("run/*/result.json") if '"done": true' in path.read_text()
    }
    assert 2 <= len(finished) < 6

    second = subprocess.run(command, capture_output=True, text=True, check=False, cwd=held_task.folder, env=environment)
    assert second.returncode == 0, second.stderr
    assert "Best of 6 architectures" in second.stdout
    for path, text in finished.items():
        after = path.read_text()
        assert after.startswith(text)
        # Of a trial that ended as the run did, Tune may not know: its last result is told again.
        assert all(json.loads(line)["seconds"] == 0.0 for line in after[len(text) :].splitlines()), "trained again"
    report = SearchReport(**json.loads((tmp_path / "run" / "report.json").read_text()))
    assert report.num_trials == 6
    assert report.num_failed == 0
