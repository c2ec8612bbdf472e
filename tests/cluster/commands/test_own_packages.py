"""A folder of the user's own that holds modules with the names of our packages: commands, drivers and workers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import ray

from cluster.ray.connection import connected
from cluster.ray.jobs import submit_job
from mpnas_ray.errors import ForeignModuleError

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[3]
OWN_TASK = ROOT / "docs" / "own-task.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder with a task and all three names: two packages and a module."""
    module, *_ = re.findall(r"```python\n(.*?)```", OWN_TASK.read_text(), flags=re.DOTALL)
    (tmp_path / "wave.py").write_text(module)
    for name in ("trainables/__init__.py", "searchers/__init__.py", "cluster.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("raise RuntimeError(f'{__name__} is the one of the user')\n")
    return tmp_path


def run(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the folder, which is on its path before our packages."""
    path = os.pathsep.join((str(folder), str(ROOT), os.environ.get("PYTHONPATH", "")))
    environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "200", **variables}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.ray
@pytest.mark.parametrize(
    "words",
    [
        "search --num-samples 5 --max-concurrent 1 --name own",
        # Asks twice for a Ray, of which the second time is inside the first.
        pytest.param("tables build --num-archs 2 --num-repeated 0 --out own.parquet", marks=pytest.mark.slow),
    ],
)
def test_workers_import_our_packages_and_the_users_task(folder: Path, words: str, on_ray: dict[str, str]) -> None:
    task = "--task wave:TASK --space nasbenchasr --epochs 1"
    done = run(folder, "-m", "mpnas_cli", *words.split(), *task.split(), RAY_ADDRESS=on_ray["RAY_ADDRESS"])
    assert done.returncode == 0, done.stdout + done.stderr
    if words.startswith("search"):
        assert "5 trials, 0 failed" in done.stdout
        assert len(list(folder.glob("runs/own/*/result.json"))) == 5
    else:
        assert (folder / "own.parquet").exists()


@pytest.mark.parametrize("module", ["mpnas_cli", "cluster.cli"])
def test_commands_start(folder: Path, module: str) -> None:
    if module == "cluster.cli":
        (folder / "cluster.py").unlink()  # or Python itself would run it
    done = run(folder, "-m", module, "tasks")
    assert done.returncode == 0, done.stderr
    assert "digits" in done.stdout


def test_a_script_gets_ours_with_what_needs_all_of_them(folder: Path) -> None:
    (folder / "cluster.py").unlink()
    code = (
        "from cluster import run_search; import searchers, trainables; print(searchers.__file__, trainables.__file__)"
    )
    done = run(folder, "-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(ROOT / name / "__init__.py") for name in ("searchers", "trainables")]


@pytest.mark.parametrize("name", ["searchers", "trainables"])
def test_a_script_that_has_imported_its_own_is_told_the_file(folder: Path, name: str) -> None:
    (folder / "cluster.py").unlink()
    (folder / name / "__init__.py").write_text("")
    done = run(folder, "-c", f"import {name}\nfrom cluster import run_search")
    *_, line = done.stderr.splitlines()
    file = folder / name / "__init__.py"
    error = f"mpnas_ray.errors.ForeignModuleError: {file} stands in the way: it has been imported as {name!r}."
    assert line == f"{error} This program needs the package {name!r} of mpnas-ray: give yours another name."


def test_a_task_that_needs_a_hidden_module_is_told_the_file(folder: Path) -> None:
    (folder / "mine.py").write_text("from trainables.helpers import TASK\n")
    done = run(folder, "-m", "mpnas_cli", "search", "--task", "mine:TASK")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert f"'trainables.helpers' is not found in {ROOT / 'trainables'}" in line
    assert f"which hides {folder / 'trainables' / '__init__.py'}." in line


def test_a_process_started_by_a_worker_imports_ours(folder: Path) -> None:
    code = """
import operator
from mpnas_ray.own_packages import put_first
put_first()
from cluster.work.without_ray import call_without_ray
print(call_without_ray(operator.add, 1, 2))
"""
    done = run(folder, "-c", code)
    assert done.stdout.strip() == "3", done.stderr


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_workers_of_a_ray_that_was_there_before_are_looked_after(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(ForeignModuleError, match=r"stands in the way.*leave out `ray.init`") as caught, connected():
        pass
    assert str(folder) in str(caught.value)
    assert ray.is_initialized()


class _Dashboard(BaseHTTPRequestHandler):
    """Takes every job."""

    def do_GET(self) -> None:
        self._answer({"ray_version": ray.__version__})

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer({"job_id": "a", "submission_id": sent["entrypoint"]})

    def _answer(self, content: object) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def test_a_job_in_the_folder_starts_our_command(folder: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), _Dashboard) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        assert submit_job(["tasks"], address=address, working_dir=folder) == "python -u -m mpnas_cli tasks"
        (folder / "cluster.py").unlink()
        assert submit_job(["tasks"], address=address, working_dir=folder) == "python -u -m cluster.cli tasks"
        server.shutdown()
    assert run(folder, "-m", "mpnas_cli", "spaces").returncode == 0
