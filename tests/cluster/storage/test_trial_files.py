"""Which trials failed, by what Tune itself writes of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ray.train._internal.storage import StorageContext
from ray.tune.error import TuneError
from ray.tune.experiment import Trial

from cluster.storage.run_folder import RunFolder
from cluster.storage.trial_files import MAX_FAILURES, newest_trainings, read_trials

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]


def write_trial(storage: Path, number: int, num_failures: int) -> None:
    """The folder of a trial that Tune saw fail so often and, at the end, report an epoch."""
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


@pytest.mark.parametrize("num_failures", range(MAX_FAILURES + 2))
def test_a_trial_failed_if_it_did_so_more_often_than_it_is_tried_again(tmp_path: Path, num_failures: int) -> None:
    write_trial(tmp_path, 0, num_failures)
    (trial,) = read_trials(RunFolder(str(tmp_path), "one"))
    assert trial.arch == "arch-0"
    assert trial.failed == (num_failures > MAX_FAILURES)
    assert (newest_trainings([trial]) == {}) == trial.failed, "from a failed one nothing goes on"


def test_failures_are_those_of_each_trial(tmp_path: Path) -> None:
    for number, num_failures in enumerate([MAX_FAILURES + 1, 0, MAX_FAILURES]):
        write_trial(tmp_path, number, num_failures)
    trials = read_trials(RunFolder(str(tmp_path), "one"))
    assert {trial.trial_id for trial in trials if trial.failed} == {"trial0"}
