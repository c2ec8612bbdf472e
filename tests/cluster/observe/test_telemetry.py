"""Telemetry of a run whose storage fails: the run goes on, and no line is lost once the storage is back."""

from __future__ import annotations

import json
import logging
import pickle
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.observe import telemetry as module
from cluster.observe.events import note_session, read_events
from cluster.observe.telemetry import SearchTelemetry
from cluster.storage.run_folder import RunFolder
from searchers import RandomSearch


@pytest.fixture
def searcher() -> RandomSearch:
    return RandomSearch("nasbench201", "validation_x", "max", seed=0)


def trial(number: int) -> Any:
    return SimpleNamespace(trial_id=f"t{number}", last_result={"validation_x": number / 10})


def results(place: Path) -> list[str]:
    lines = [json.loads(line) for line in (place / "telemetry.jsonl").read_text().splitlines()]
    return [line["trial_id"] for line in lines if line["event"] == "result"]


@pytest.mark.parametrize("is_there_first", [True, False])
def test_lines_wait_for_storage_that_is_away(
    tmp_path: Path,
    searcher: RandomSearch,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    is_there_first: bool,
) -> None:
    monkeypatch.setattr(module, "_SECONDS_BETWEEN_WRITES", 0.0)
    monkeypatch.setattr(module, "_REST_PER_WORK", 0.0)
    storage, away = tmp_path / "runs", tmp_path / "away"
    telemetry = SearchTelemetry(searcher, str(storage), "one", "validation_x")
    before = []
    if is_there_first:
        telemetry.on_trial_complete(1, [], trial(0))
        before = ["t0"]
        storage.rename(away)
    storage.touch()  # a file in place of the folder
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    with caplog.at_level(logging.WARNING):
        telemetry.on_trial_complete(2, [], trial(1))
        telemetry.on_trial_error(3, [], trial(2))
    assert not pauses, "Tune's control loop is not held up"
    assert "Could not write telemetry.jsonl of one" in caplog.text
    storage.unlink()
    if is_there_first:
        away.rename(storage)
    telemetry.on_trial_complete(4, [], trial(3))
    assert results(storage / "one") == [*before, "t1", "t2", "t3"]


def test_what_was_held_back_is_written_at_the_end(
    tmp_path: Path, searcher: RandomSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SECONDS_BETWEEN_WRITES", 3600.0)
    telemetry = SearchTelemetry(searcher, str(tmp_path), "one", "validation_x")
    searcher.suggest("t0")
    for number in range(3):
        telemetry.on_trial_complete(number, [], trial(number))
    assert results(tmp_path / "one") == ["t0"], "one write in an hour"
    telemetry.on_experiment_end([])
    assert results(tmp_path / "one") == ["t0", "t1", "t2"]
    lines = [json.loads(line) for line in (tmp_path / "one" / "telemetry.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines].count("proposal") == 1


def test_a_restored_one_goes_on_below_what_is_there(tmp_path: Path, searcher: RandomSearch) -> None:
    telemetry = SearchTelemetry(searcher, str(tmp_path), "one", "validation_x")
    telemetry.on_trial_complete(0, [], trial(0))
    restored = pickle.loads(pickle.dumps(telemetry))
    restored.on_trial_complete(1, [], trial(1))
    assert results(tmp_path / "one") == ["t0", "t1"]


def test_a_proposal_is_written_when_its_trial_starts(tmp_path: Path, searcher: RandomSearch) -> None:
    folder = RunFolder(str(tmp_path), "one")
    note_session(folder, metric="x", mode="max", slots=2)
    telemetry = SearchTelemetry(searcher, str(tmp_path), "one", "validation_x")
    config = searcher.suggest("t0")
    telemetry.on_trial_start(1, [], trial(0))
    session, proposal = read_events(folder)
    assert (session["event"], session["slots"]) == ("session", 2)
    assert (proposal["event"], proposal["arch"]) == ("proposal", config["arch"])
    telemetry.on_experiment_end([])
    note_session(folder, metric="x", mode="max", slots=3)
    assert [event["event"] for event in read_events(folder)] == ["session", "proposal", "session"]


def test_damaged_lines_are_no_events(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path), "one")
    assert list(read_events(folder)) == []
    folder.write_bytes("telemetry.jsonl", b'{"event": "a"}\n[1]\n\xff\n{"event": "b"}\n{"event": "c')
    assert [event["event"] for event in read_events(folder)] == ["a", "b"]
    note_session(folder)
    assert [event["event"] for event in read_events(folder)] == ["a", "b", "session"]
