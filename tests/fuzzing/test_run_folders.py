"""Folders of runs: settings, reports, and what trials left, before Ray has a part in it."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from cluster.observe.events import count_refits
from cluster.report.page import page
from cluster.run.checking import check_config
from cluster.run.config import SearchConfig
from cluster.run.damage import record_before
from cluster.run.reading import read_run
from cluster.run.record import RunRecord
from cluster.run.report import SearchReport, earlier_report
from cluster.storage.lock import locked
from cluster.storage.run_folder import RunFolder
from cluster.storage.trial_files import newest_trainings, read_trials
from mpnas_ray.errors import MPNASError
from mpnas_ray.explaining import Effect, Explanation, Motif, SlotValue, Swap
from mpnas_ray.predictors import SourceWeight

ARCH = "transnasbench101:64-41414-3_33_133"
RECORD = RunRecord(
    SearchConfig(
        space="transnasbench101", num_samples=2, epochs=1, searcher="random", resources_per_trial={"slots": 1.0}
    ),
    "darcy",
)
CONFIG = {"arch": ARCH, **RECORD.constants()}
RESULT = {"epoch": 1, "done": True, "timestamp": 1.5, "validation_x": 0.5, "config": CONFIG}
REPORT = SearchReport(
    "darcy", "transnasbench101", "random", "small", 0, "x", "min", ARCH, 0.5, 0.4, 10, 2, 0, 0, 1, 2.0, 1.0, 0.5, 2, "x"
)
EXPLANATION = Explanation(
    arch=ARCH,
    score=1.0,
    better_than=0.5,
    base=0.0,
    exact=True,
    slots=(SlotValue("1", "skip", 1.0),),
    swaps=(Swap("1", "skip", "none", "x", -1.0, 0.5, {"FLOPs": 2.0}),),
    effects=(Effect("1", "skip", 0.5), Effect("1", "none", -0.5)),
    sources=(SourceWeight("x/y", 0.5, 0.25, 1.0),),
    motifs=(Motif("x", 1.0, 0.5, 0.5),),
    costs={"FLOPs": 3.0},
)
FILES = {
    "explanation.json": EXPLANATION.to_json(),
    "run.json": RECORD.to_json(),
    "report.json": REPORT.to_json(),
    "telemetry.jsonl": '{"time": 1.5, "event": "refit", "seconds": 1}\n',
    "driver.json": '{"host": "x", "pid": 1, "machine": "x", "token": "x", "beat": 1}',
    "t1/params.json": json.dumps(CONFIG),
    "t1/result.json": f"{json.dumps(RESULT)}\n",
    "t1/error.txt": "Failure # 1 (occurred at x)\n",
    "t2/started.json": json.dumps(CONFIG),
    "t2/checkpoint_000000/training.pt": "123",
    "t2/checkpoint_000000/trial.json": json.dumps({"config": CONFIG, "result": RESULT, "bytes": 3}),
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("cluster.storage.lock._STALE_S", 0.0)
    monkeypatch.setattr("cluster.storage.lock._SETTLE_S", 0.0)
    write_all(tmp_path / "run")
    return tmp_path / "run"


def write_all(run: Path) -> None:
    for name, text in FILES.items():
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(text)


def read_all(run: Path) -> None:
    """All that commands read of a run before Ray starts; files that are put aside are put back."""
    folder = RunFolder.of_run(run)
    try:
        assert page(read_run(folder))
        report = earlier_report(folder)
        assert report is None or str(report)
        trials = read_trials(folder)
        assert all(training.epoch >= 0 for training in newest_trainings(trials).values())
        assert all(trial.arch for trial in trials)
        assert count_refits(folder) >= 0
        with locked(folder):
            pass
        record_before(folder, RECORD)
        record = RunRecord.read(folder)
        assert record is not None
        check_config(record.config)
    finally:
        write_all(run)


def test_bytes(run: Path, fuzz: Any, damaged_bytes: Any) -> None:
    read_all(run)

    def check(damage: tuple[str, bytes]) -> None:
        name, content = damage
        (run / name).write_bytes(content)
        read_all(run)

    names = st.sampled_from(sorted(FILES))
    fuzz(check, names.flatmap(lambda name: st.tuples(st.just(name), damaged_bytes(FILES[name].encode()))))


def test_values(run: Path, fuzz: Any, damaged_json: Any) -> None:
    names = [name for name in sorted(FILES) if name.endswith(("json", "jsonl"))]

    def check(damage: tuple[str, Any]) -> None:
        name, content = damage
        (run / name).write_text(f"{json.dumps(content)}\n")
        read_all(run)

    fuzz(
        check,
        st.sampled_from(names).flatmap(lambda name: st.tuples(st.just(name), damaged_json(json.loads(FILES[name])))),
    )


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["gone", "empty", "folder", "zeros"])
def test_files_that_are_something_else(run: Path, name: str, damage: str) -> None:
    path = run / name
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "gone":
        path.write_bytes(b"\0" * (100 if damage == "zeros" else 0))
    folder = RunFolder(str(run.parent), run.name)
    with suppress(MPNASError):
        earlier_report(folder)
    assert len(read_trials(folder)) == 2, "each has its config in two files"
    assert count_refits(folder) in (0, 1)
    record = record_before(folder, RECORD)
    assert record is not None
    assert record.to_json() == RECORD.to_json()
