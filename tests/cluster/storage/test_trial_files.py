"""Trials as their files describe them: which failed, and in which order they ended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ray.train._internal.storage import StorageContext
from ray.tune.error import TuneError
from ray.tune.experiment import Trial

from cluster.storage.run_folder import RunFolder
from cluster.storage.trial_files import MAX_FAILURES, newest_trainings, read_trials


def write_trial(storage: Path, number: int, num_failures: int) -> None:
    """Write the folder of a trial that Tune saw fail so often and, at the end, report an epoch."""
    place = storage / "one" / f"trial{number}"
    place.mkdir(parents=True)
    config = {"arch": f"arch-{number}"}
    trial = Trial(
        "none", stub=True, config=config, storage=StorageContext(str(storage), "one", trial_dir_name=place.name)
    )
    trial.init_local_path()  # type: ignore[no-untyped-call]
    for failure in range(num_failures):
        trial.handle_error(TuneError(f"error {failure}"))
    if num_failures:
        (place / "error.txt").write_text(Path(trial.error_file or "").read_text())
    result = {"epoch": 1, "done": True, "config": config}
    (place / "result.json").write_text(json.dumps(result) + "\n")
    checkpoint = place / "checkpoint_000000"
    checkpoint.mkdir()
    (checkpoint / "training.pt").write_bytes(b"123")
    (checkpoint / "trial.json").write_text(json.dumps({"config": config, "result": result, "bytes": 3}))


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize("num_failures", range(MAX_FAILURES + 2))
def test_a_trial_failed_if_it_did_so_more_often_than_it_is_tried_again(tmp_path: Path, num_failures: int) -> None:
    write_trial(tmp_path, 0, num_failures)
    (trial,) = read_trials(RunFolder(str(tmp_path), "one"))
    assert trial.arch == "arch-0"
    assert trial.failed == (num_failures > MAX_FAILURES)
    assert (newest_trainings([trial]) == {}) == trial.failed, "from a failed one nothing goes on"


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_failures_are_those_of_each_trial(tmp_path: Path) -> None:
    for number, num_failures in enumerate([MAX_FAILURES + 1, 0, MAX_FAILURES]):
        write_trial(tmp_path, number, num_failures)
    trials = read_trials(RunFolder(str(tmp_path), "one"))
    assert {trial.trial_id for trial in trials if trial.failed} == {"trial0"}


@pytest.mark.parametrize(
    ("saved", "restored"), [([1, 2, 3, 4], 2), ([3, 4], 4), ([1], None)], ids=["as stopped", "deleted", "not saved"]
)
def test_a_trial_that_was_stopped_has_ended_there(tmp_path: Path, saved: list[int], restored: int | None) -> None:
    """Workers of Ray Train go on for some epochs before they hear that a scheduler stopped their trial."""
    folder = tmp_path / "one" / "trial"
    config = {"arch": "arch"}
    for epoch in saved:
        checkpoint = folder / f"checkpoint_{epoch:06}"
        checkpoint.mkdir(parents=True)
        (checkpoint / "training.pt").write_bytes(b"123")
        result = {"epoch": epoch, "done": False, "value": epoch}
        (checkpoint / "trial.json").write_text(json.dumps({"config": config, "result": result, "bytes": 3}))
    logged = {"epoch": 2, "done": True, "value": 2, "config": config, "timestamp": 100}
    (folder / "result.json").write_text(json.dumps(logged) + "\n")
    (trial,) = read_trials(RunFolder(str(tmp_path), "one"))
    assert trial.training is not None
    assert trial.training.ended == (restored is not None)
    assert trial.training.epoch == (restored or saved[-1])
    assert (trial.result or {})["value"] == (restored or 2)


def test_trials_are_in_the_order_of_their_last_reports(tmp_path: Path) -> None:
    """A trial that was stopped when its worker had gone an epoch further than it had reported keeps its turn."""
    for number, epochs_ahead in enumerate([0, 1, 0]):
        folder = tmp_path / "one" / f"trial{9 - number}"
        (folder / "checkpoint_000000").mkdir(parents=True)
        config, report = {"arch": f"arch-{number}"}, {"epoch": 1, "done": False}
        logged = {**report, "config": config, "timestamp": 100 + number}
        (folder / "result.json").write_text(json.dumps(logged) + "\n")
        (folder / "checkpoint_000000" / "training.pt").write_bytes(b"123")
        record = {"config": config, "result": {**report, "epoch": 1 + epochs_ahead}, "bytes": 3}
        (folder / "checkpoint_000000" / "trial.json").write_text(json.dumps(record))
    trials = read_trials(RunFolder(str(tmp_path), "one"))
    assert [trial.arch for trial in trials] == ["arch-0", "arch-1", "arch-2"]
    assert [(trial.result or {})["epoch"] for trial in trials] == [1, 2, 1]
