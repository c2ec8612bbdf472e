"""One driver to a run, whatever became of the others. Beats come faster here than in a run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cluster.storage import lock as module
from cluster.storage.lock import DRIVER_FILE, locked
from cluster.storage.run_folder import RunFolder
from mpnas_ray.errors import RunError

pytestmark = pytest.mark.long

BEAT_S, STALE_S = 0.2, 600.0
SHORT_S = 1.0
"""Patience with a driver that never beats again. With others it is longer than any machine stands still."""

PROGRAM = f"""
import sys
from cluster.storage import lock as module
from cluster.storage.run_folder import RunFolder

module._BEAT_S, module._STALE_S = {BEAT_S}, {STALE_S}
try:
    print("ready", flush=True)
    sys.stdin.readline()
    with module.locked(RunFolder(sys.argv[1], "one")):
        print("begun", flush=True)
        sys.stdin.readline()
        print("ended", flush=True)
except BaseException as error:
    print(type(error).__name__, error, flush=True)
"""


@pytest.fixture(autouse=True)
def short_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BEAT_S", BEAT_S)
    monkeypatch.setattr(module, "_STALE_S", STALE_S)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(str(tmp_path), "one")


def ready(folder: RunFolder) -> subprocess.Popen[str]:
    """Another process that drives the run: from the first line that it is sent to the second."""
    command = [sys.executable, "-c", PROGRAM, folder.storage]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert next_line(process) == "ready"
    return process


def send_line(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def start(folder: RunFolder) -> subprocess.Popen[str]:
    process = ready(folder)
    send_line(process)
    return process


def next_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        process.kill()
        process.communicate()


def pretend(folder: RunFolder, beat: int = 3, **fields: object) -> None:
    """Write the file of a driver of another machine."""
    other = {"host": "elsewhere", "pid": 1, "machine": "elsewhere-1", "token": "0" * 16, "beat": beat}
    folder.write(DRIVER_FILE, json.dumps({**other, **fields}))


def held(folder: RunFolder) -> dict[str, object] | None:
    return folder.read_json(DRIVER_FILE)


def test_the_file_says_whose_run_it_is_and_is_gone_at_the_end(folder: RunFolder, wait_for: Callable[..., Any]) -> None:
    with locked(folder):
        first = held(folder)
        assert first is not None
        assert first["pid"] == os.getpid()
        later = wait_for(lambda: (held(folder) or first)["beat"] > first["beat"] and held(folder), "a beat")
        assert {**later, "beat": 0} == {**first, "beat": 0}
    assert folder.is_empty()
    with pytest.raises(KeyError), locked(folder):
        raise KeyError
    assert folder.is_empty()
    time.sleep(3 * BEAT_S)
    assert folder.is_empty(), "no beat comes after the end"


def test_a_second_driver_is_refused_while_the_first_lives(folder: RunFolder) -> None:
    first = start(folder)
    try:
        assert next_line(first) == "begun"
        with pytest.raises(RunError, match=f"in use by process {first.pid} of .*stop it first"), locked(folder):
            pass
        assert held(folder) is not None, "the first still holds it"
        first.kill()
        first.wait()
        start_s = time.monotonic()
        with locked(folder):
            assert time.monotonic() - start_s < STALE_S, "a dead process of this machine is not waited for"
    finally:
        end(first)


def test_a_driver_that_ends_while_another_waits_leaves_the_run_to_it(folder: RunFolder) -> None:
    pretend(folder)
    threading.Timer(0.3, folder.delete, [DRIVER_FILE]).start()
    start_s = time.monotonic()
    with locked(folder):
        assert time.monotonic() - start_s < STALE_S


def test_a_driver_of_another_machine_is_taken_for_dead_when_its_beats_stay_away(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_STALE_S", SHORT_S)
    pretend(folder, pid=2**22 + 1)  # no process here has this number, which says nothing about a process there
    start_s = time.monotonic()
    with locked(folder):
        assert time.monotonic() - start_s >= SHORT_S
        assert (held(folder) or {})["pid"] == os.getpid()


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_a_damaged_file_is_that_of_a_driver_without_beats(
    folder: RunFolder, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_STALE_S", SHORT_S)
    folder.write(DRIVER_FILE, content)
    with locked(folder):
        assert (held(folder) or {})["pid"] == os.getpid()


def test_a_driver_of_another_machine_that_beats_is_left_alone(folder: RunFolder) -> None:
    pretend(folder)
    beat = threading.Timer(0.3, pretend, [folder, 4])
    beat.start()
    with pytest.raises(RunError, match="in use by process 1 of elsewhere"), locked(folder):
        pass
    beat.join()
    assert (held(folder) or {})["beat"] == 4


@pytest.mark.long
def test_of_two_that_begin_at_once_one_gets_the_run(folder: RunFolder, wait_for: Callable[..., Any]) -> None:
    both = [ready(folder) for _ in range(2)]
    try:
        for process in both:
            send_line(process)
        wait_for(lambda: any(process.poll() is not None for process in both), "the end of one")
        (left,) = (process for process in both if process.poll() is None)
        (gone,) = (process for process in both if process is not left)
        *_, reason = gone.communicate()[0].splitlines()
        # Interrupted it is where this machine stood still between its look at the folder and its writing there.
        assert reason.startswith(("RunError", "KeyboardInterrupt")), reason
        assert left.communicate("\n")[0] == "begun\nended\n"
    finally:
        end(*both)
    assert folder.is_empty()


@pytest.mark.long
def test_a_driver_whose_run_was_taken_over_is_interrupted(folder: RunFolder, wait_for: Callable[..., Any]) -> None:
    first = start(folder)
    try:
        assert next_line(first) == "begun"
        first.send_signal(signal.SIGSTOP)
        while first.poll() is None:  # it may stand still between its look at the file and a beat, which overwrites it
            pretend(folder, token="f" * 16)
            first.send_signal(signal.SIGCONT)
            wait_for(lambda: first.poll() is not None or (held(folder) or {}).get("host") != "elsewhere")
        assert next_line(first).startswith("KeyboardInterrupt")
        assert first.wait() == 0
        assert (held(folder) or {})["host"] == "elsewhere", "the file is the other driver's"
    finally:
        end(first)


def test_a_driver_goes_on_while_its_storage_is_away(
    storage: Any, wait_for: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    folder = RunFolder(storage.uri, "one")
    with locked(folder):
        before = held(folder)
        storage.go_away()
        wait_for(lambda: "Could not renew" in caplog.text, "a beat that fails")
        storage.come_back()
        assert before is not None
        wait_for(lambda: (held(folder) or before)["beat"] > before["beat"], "a beat")
    assert folder.is_empty()
