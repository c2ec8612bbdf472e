"""Looking at runs: while they search, and when they are complete."""

from __future__ import annotations

import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import optuna
import pytest
from pyarrow import csv
from typer.testing import CliRunner

from cluster.cli import app
from cluster.run.html.serving import make_server
from cluster.storage.run_folder import RunFolder
from mpnas_ray.errors import RunError

COMMAND = [sys.executable, "-m", "cluster.cli"]


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


@pytest.mark.ray
def test_a_run_is_followed_until_it_is_complete(tmp_path: Path, held_task: Any, on_ray: dict[str, str]) -> None:
    held_task.hold_after(4)  # two trainings at a time: the first has ended then
    arguments = ["--task", held_task.reference, "--space", "nasbench201", "--searcher", "random", "--num-samples", "4"]
    arguments += ["--epochs", "2", "--max-concurrent", "2", "--storage", str(tmp_path), "--name", "one"]
    search = subprocess.Popen(
        [*COMMAND, "search", *arguments], stdout=subprocess.PIPE, cwd=held_task.folder, env=on_ray
    )
    assert search.stdout is not None
    while not search.stdout.readline().startswith(b"[1/4]"):
        assert search.poll() is None
    run = str(tmp_path / "one")
    watch = subprocess.Popen(
        [*COMMAND, "watch", run, "--every", "0.2"], stdout=subprocess.PIPE, text=True, cwd=held_task.folder, env=on_ray
    )
    assert watch.stdout is not None
    lines = [watch.stdout.readline()]
    assert lines[0].startswith("[1/4] best ")
    assert printed("runs", str(tmp_path)).splitlines()[1].split()[:3] == ["one", "running", "held"]
    assert "running" in printed("show", run)

    held_task.let_go()
    lines += watch.stdout.readlines()
    assert watch.wait() == 0
    assert [line[:5] for line in lines[:-1]] == [f"[{n}/4]" for n in range(1, 5)]
    assert lines[-1] == f"{run} is complete: 4 trials.\n"
    assert search.wait() == 0
    search.stdout.close()
    watch.stdout.close()

    assert printed("runs", str(tmp_path)).splitlines()[1].split()[:2] == ["one", "complete"]
    assert f"trainables.load_network('{run}/best')" in printed("show", run)
    assert "4 trials." in printed("export", run, str(tmp_path / "trials.csv"))
    assert csv.read_csv(tmp_path / "trials.csv").num_rows == 4
    printed("export", run, "--format", "optuna", "--out", str(tmp_path / "study.db"))
    study = optuna.load_study(study_name="one", storage=f"sqlite:///{tmp_path / 'study.db'}")
    assert len(study.trials) == 4
    assert study.best_trial.user_attrs["arch"] in printed("show", run)


def test_the_page_is_served_on_this_machine_alone(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path), "new")
    with make_server(folder, 0, 2.5) as server:
        assert server.server_address[0] == "127.0.0.1"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        with urllib.request.urlopen(f"{address}/") as answer:
            assert answer.headers["Refresh"] == "3"
            assert "<html" in answer.read().decode()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{address}/../run.json")
        with pytest.raises(RunError, match=f"Port {server.server_port} of this machine cannot be used"):
            make_server(folder, server.server_port, 2.0)
        server.shutdown()


def test_looking_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "one"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    before = {path: path.stat().st_mtime_ns for path in (folder, tmp_path / "runs")}
    assert printed("runs", str(tmp_path / "runs")).splitlines()[1].split()[:2] == ["one", "damaged"]
    assert "damaged" in printed("show", str(folder))
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runs", "nowhere"], "nowhere cannot be read"),
        (["runs", "."], "holds no runs"),
        (["show", "nowhere"], "holds no run of mpnas-ray"),
        (["watch", "nowhere", "--every", "0"], "--every is a number of seconds above 0"),
        (["export", "nowhere", "a.csv"], "holds no run of mpnas-ray"),
    ],
)
def test_what_is_no_run_is_said(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, RunError)
    assert message in str(result.exception)
