"""Runs with damaged files, and runs that were moved: what was trained is kept, what is damaged is named."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from cluster import SearchReport, extend_search, resume_search, run_search
from cluster.cli import app
from cluster.storage.run_folder import RunFolder
from cluster.storage.trial_files import read_trials
from mpnas_ray.errors import RunError
from trainables import darcy_task, load_network, register_task

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster"), pytest.mark.timeout(600)]

TINY = register_task(darcy_task("tiny-damaged", resolution=9, num_train=20, num_validation=10, num_test=10))
NUM_TRIALS = 3


@pytest.fixture(scope="module")
def run(ray_cluster: None, tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Path:
    """Make a complete run of one process, as are those that go on from it."""
    storage = tmp_path_factory.mktemp("runs")
    search(storage, data_dir)
    return storage / "run"


def search(storage: Path, data_dir: Path, **others: object) -> SearchReport:
    return run_search(
        task=TINY,
        space="nasbench201",
        num_samples=NUM_TRIALS,
        **{
            "epochs": 2,
            "searcher": "random",
            "storage": storage,
            "name": "run",
            "data_dir": data_dir,
            "progress": False,
            "max_concurrent": 1,
            **others,
        },  # type: ignore[arg-type]
    )


def copied(run: Path, to: Path, *, complete: bool = False) -> Path:
    """Copy a run; unless ``complete``, as it is when killed after its last trial, before its report."""
    shutil.copytree(run, to)
    if not complete:
        (to / "report.json").unlink()
        shutil.rmtree(to / "best")
    return to


def num_trained(folder: Path) -> int:
    """Count the epochs that were trained rather than reported again."""
    lines = [line for path in folder.glob("*/result.json") for line in path.read_text().splitlines()]
    return sum(json.loads(line)["seconds"] != 0.0 for line in lines)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def best_trial(run: Path) -> Path:
    report = json.loads((run / "report.json").read_text())
    (found,) = (trial for trial in read_trials(RunFolder.of_run(run)) if trial.arch == report["best_arch"])
    return run / found.trial_id


class TestNetworkOfACompleteRun:
    """The network is made again without Ray."""

    @pytest.mark.parametrize("damage", ["gone", "half", "junk"])
    def test_it_is_made_again_from_its_checkpoint(
        self, run: Path, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        copy = copied(run, tmp_path / "copy", complete=True)
        if damage == "gone":
            shutil.rmtree(copy / "best")
        elif damage == "half":
            (copy / "best" / "network.safetensors").unlink()
        else:
            (copy / "best" / "network.json").write_bytes(b"\0" * 50)
        report = resume_search(copy)
        assert report.has_network
        assert "It was made again from the checkpoint of trial" in caplog.text
        inputs = torch.randn(2, 1, 9, 9)
        found, before = load_network(report.network), load_network(run / "best")
        assert torch.equal(found(inputs), before(inputs))
        assert found.card == before.card

    def test_a_lost_one_is_not_advertised(self, run: Path, tmp_path: Path) -> None:
        copy = copied(run, tmp_path / "copy", complete=True)
        shutil.rmtree(copy / "best")
        assert "load_network(" in str(resume_search(run))
        for checkpoint in best_trial(copy).glob("checkpoint_*"):
            (checkpoint / "training.pt").write_bytes(b"\0" * (checkpoint / "training.pt").stat().st_size)
        report = resume_search(copy)
        assert not report.has_network
        assert "load_network(" not in str(report)
        assert f"mpnas extend {copy} --num-samples {NUM_TRIALS + 1}" in str(report)

    def test_a_run_that_was_moved_names_its_new_place(self, run: Path, tmp_path: Path) -> None:
        copy = copied(run, tmp_path / "copy", complete=True)
        report = resume_search(copy)
        assert report.folder == str(copy)
        assert f"load_network('{copy}/best')" in str(report)
        assert str(run) not in str(report)
        assert resume_search(f"file://{copy}") == report
        load_network(f"file://{copy}/best")


@pytest.mark.parametrize(
    "damage",
    [
        "junk in tuner.pkl",
        "junk in pickles",
        *(pytest.param(damage, marks=pytest.mark.slow) for damage in ("no tuner.pkl", "empty", "folders")),
    ],
)
def test_damaged_files_of_tune_are_put_aside_and_nothing_is_trained_again(
    run: Path, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = json.loads((run / "report.json").read_text())
    copy = copied(run, tmp_path / "copy")
    trained = num_trained(copy)
    (trials,) = copy.glob("experiment_state-*.json")
    (count,) = copy.glob("search_gen_state-*.json")
    (state,) = copy.glob("searcher-state-*.pkl")
    damaged = [trials]
    if damage == "junk in tuner.pkl":
        (copy / "tuner.pkl").write_bytes(b"\x80\x04junk")
        damaged = [copy / "tuner.pkl"]
    elif damage == "no tuner.pkl":
        (copy / "tuner.pkl").unlink()
    elif damage == "junk in pickles":
        content = json.loads(trials.read_text())
        content["trial_data"] = [
            [first.replace('"value": "80', '"value": "00'), second] for first, second in content["trial_data"]
        ]
        assert content != json.loads(trials.read_text())
        trials.write_text(json.dumps(content))
    else:
        damaged = [trials, count, state]
        for path in damaged:
            path.unlink()
            path.touch() if damage == "empty" else path.mkdir()
    report = resume_search(copy, progress=False)
    assert (report.num_trials, report.num_failed, report.folder) == (NUM_TRIALS, 0, str(copy))
    assert {name: before[name] for name in ("best_arch", "validation", "test")}.items() <= vars(report).items()
    assert num_trained(copy) == trained
    assert load_network(report.network).card.arch == report.best_arch
    assert all((copy / f"damaged-{path.name}").exists() for path in damaged)
    assert "damaged" in caplog.text


def test_a_run_that_was_moved_goes_on_where_it_lies(run: Path, tmp_path: Path, data_dir: Path) -> None:
    """Settings, report and telemetry may be damaged, too."""
    before = contents(run)
    copy = copied(run, tmp_path / "storage" / "run")
    (copy / "report.json").write_text('{"task": "tiny-damaged"}')
    (copy / "run.json").write_text("{")
    with (copy / "telemetry.jsonl").open("ab") as file:
        file.write(b'{"time": 1, "ev\n\xff\xfe junk')
    trained = num_trained(copy)
    with pytest.raises(RunError, match=r"run\.json is damaged.*the `mpnas search` command that started the run"):
        resume_search(copy)
    with pytest.raises(RunError, match=r"was run with epochs 2"):
        search(tmp_path / "storage", data_dir, epochs=3)
    report = search(tmp_path / "storage", data_dir)
    assert (report.num_trials, report.folder) == (NUM_TRIALS, str(copy))
    assert num_trained(copy) == trained
    assert json.loads((copy / "report.json").read_text())["folder"] == str(copy)
    assert {path.name for path in copy.glob("damaged-*")} == {"damaged-run.json", "damaged-report.json"}
    assert contents(run) == before, "nothing is written where it was"
    assert (copy / "telemetry.jsonl").exists()
    assert resume_search(copy) == report


def test_a_checkpoint_that_is_damaged_is_trained_again_in_an_extended_run(
    run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    best = json.loads((run / "report.json").read_text())["best_arch"]
    trial = best_trial(run).name
    copy = copied(run, tmp_path / "run")
    for weights in (copy / trial).glob("checkpoint_*/training.pt"):
        weights.write_bytes(b"\0" * weights.stat().st_size)
    with pytest.raises(RunError, match=r"checkpoint .* is damaged .*mpnas extend \S*/run --num-samples 4"):
        resume_search(copy, progress=False)
    report = extend_search(copy, NUM_TRIALS + 1, progress=False)
    assert (report.num_trials, report.num_failed) == (NUM_TRIALS + 1, 0)
    results = [json.loads(line) for path in (tmp_path / "run-extended-4").glob("*/result.json") for line in path.open()]
    assert sum(result["seconds"] != 0.0 for result in results if result["config"]["arch"] == best) == 2
    assert load_network(report.network)

    shutil.move(tmp_path, tmp_path.with_name("moved"))
    moved = tmp_path.with_name("moved") / "run-extended-4"
    (moved / "report.json").unlink()
    again = resume_search(moved, progress=False)
    assert (again.best_arch, again.folder) == (report.best_arch, str(moved))
    assert not tmp_path.exists()
    assert extend_search(moved.with_name("run"), NUM_TRIALS + 1, progress=False) == again
    shutil.move(moved.with_name("run"), moved.with_name("elsewhere"))
    (moved / "report.json").unlink()
    with pytest.raises(RunError, match=r"begins with the results of \S*/run, which is not there: put it back, or to"):
        resume_search(moved)


def test_the_command_says_what_is_damaged_in_one_line(run: Path, tmp_path: Path) -> None:
    copy = copied(run, tmp_path / "copy")
    settings = json.loads((copy / "run.json").read_text())
    for name, value in (("num_samples", "3"), ("epochs", "1"), ("resources_per_trial", [1]), ("seed", 1.5)):
        (copy / "run.json").write_text(json.dumps({**settings, "config": {**settings["config"], name: value}}))
        result = CliRunner().invoke(app, ["resume", str(copy)])
        assert isinstance(result.exception, RunError)
        assert f"run.json is damaged: config: {name} is " in str(result.exception)
    (trials,) = copy.glob("experiment_state-*.json")
    (copy / "run.json").write_text(json.dumps(settings))
    trials.write_text('{"trial_data": 3}')
    with pytest.raises(
        RunError, match=rf"is not what a tested version of Ray Tune .*mpnas extend {copy} --num-samples"
    ):
        resume_search(copy)


def test_a_whole_snapshot_is_taken_by_a_process_that_has_run_nothing_yet(run: Path, tmp_path: Path) -> None:
    copy = copied(run, tmp_path / "copy")
    code = f"""
from cluster.ray.snapshots import reconcile
from cluster.storage.run_folder import RunFolder
from cluster.storage.trial_files import read_trials
from searchers import RandomSearch

folder = RunFolder.of_run({str(copy)!r})
trials = read_trials(folder)
print(len(trials), reconcile(folder, trials, lambda: RandomSearch("nasbench201", {TINY.metric_key!r}, "min", seed=0)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(NUM_TRIALS), "True"]
    assert not list(copy.glob("damaged-*"))
