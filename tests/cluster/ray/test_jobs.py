"""Searches as jobs of a cluster, by Ray's own command and by ours, and as a script of one's own; what is uploaded."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import ray
from ray._private.runtime_env.packaging import create_package, get_uri_for_directory

from cluster.ray.jobs import EXCLUDES, follow_job, submit_job
from mpnas_ray.errors import RunError

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "cluster.md"
TOKEN = "0123456789abcdef" * 4  # of the form that Ray makes, and easily recognised
SMALL = ["--num-samples", "2", "--epochs", "1", "--max-concurrent", "1"]  # one process trains both

HEAD = """
import json, socket, sys, time
from ray._private.ray_constants import KV_NAMESPACE_DASHBOARD
from ray._raylet import GcsClient
from ray.cluster_utils import Cluster
from ray.dashboard.consts import DASHBOARD_AGENT_ADDR_NODE_ID_PREFIX

def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]

cluster = Cluster(
    initialize_head=True,
    head_node_args={
        "num_cpus": 2,
        "include_dashboard": True,
        "dashboard_host": "127.0.0.1",
        "dashboard_port": free_port(),
        "dashboard_agent_listen_port": free_port(),
    },
)
session = cluster.head_node.get_session_dir_path()
known = GcsClient(address=cluster.address)
while not known.internal_kv_keys(DASHBOARD_AGENT_ADDR_NODE_ID_PREFIX.encode(), namespace=KV_NAMESPACE_DASHBOARD):
    time.sleep(0.1)  # the dashboard is there seconds before the agent that starts jobs
print(json.dumps([cluster.address, f"http://{cluster.webui_url}", session]), flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@dataclass(frozen=True)
class Head:
    """A cluster that wants a token.

    Attributes:
        address: Address of Ray.
        dashboard: Its URL.
        session: Ray's folder there.
        environment: For commands that use it; what they print has no token.
    """

    address: str
    dashboard: str
    session: Path
    environment: dict[str, str]

    def run(self, *command: str, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        environment = {**self.environment, **variables}
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
        assert TOKEN not in done.stdout + done.stderr
        return done

    def job(self, job: str) -> dict[str, object]:
        """Read the cluster's facts of a job, which all its users can read."""
        request = urllib.request.Request(
            f"{self.dashboard}/api/jobs/{job}", headers={"Authorization": f"Bearer {TOKEN}"}
        )
        with urllib.request.urlopen(request) as answer:
            text = answer.read().decode()
        assert TOKEN not in text
        return dict(json.loads(text))


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    """Run a program in a process of its own: Ray reads a token once for each process."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # the `python` of jobs is ours
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": TOKEN,
        "COLUMNS": "200",
    }
    for variable in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        environment.pop(variable, None)
    log = tmp_path_factory.mktemp("head") / "log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", HEAD],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        started = process.stdout.readline()
        assert started, log.read_text()
        address, dashboard, session = json.loads(started)
        yield Head(address, dashboard, Path(session), environment)
    finally:
        process.stdin.close()
        process.wait()


def on_the_page(start: str, head: Head, storage: Path) -> list[str]:
    """Return the one command of docs/cluster.md that begins so; address and storage are those of the test."""
    (line,) = re.findall(rf"^({re.escape(start)} .*)$", PAGE.read_text(), flags=re.MULTILINE)
    words = shlex.split(line)
    words[words.index("--address") + 1] = head.dashboard
    words[words.index("--storage") + 1] = str(storage)
    return [*words, *SMALL]


def report_in(text: str) -> str:
    found = re.search(r"^Best of .*^    outputs = network\(inputs\)[^\n]*$", text, flags=re.MULTILINE | re.DOTALL)
    assert found, text
    return found[0]


@pytest.mark.ray
class TestOnACluster:
    def test_a_script_of_ones_own(self, head: Head, tmp_path: Path) -> None:
        (script,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
        (tmp_path / "search.py").write_text(script)
        done = head.run("python", "search.py", cwd=tmp_path, RAY_ADDRESS=head.address)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1].startswith("nasbench201:")
        assert len(list((tmp_path / "runs" / "mine").glob("*/result.json"))) == 4
        assert head.address in done.stderr, "and not on a Ray of its own"

    def test_rays_own_command_and_ours_with_the_same_name(self, head: Head, tmp_path: Path) -> None:
        first = head.run(*on_the_page("ray job submit", head, tmp_path))
        assert first.returncode == 0, first.stdout + first.stderr
        assert "[2/2]" in first.stdout
        report = report_in(first.stdout)
        assert "Best of 2 architectures on digits" in report
        trained = {path: path.stat().st_mtime_ns for path in tmp_path.glob("first/*/result.json")}
        assert len(trained) == 2
        packages = list((head.session / "runtime_resources" / "working_dir_files").glob("_ray_pkg_*"))
        assert packages, "the job ran in what was uploaded"
        size = sum(path.stat().st_size for package in packages for path in package.rglob("*") if path.is_file())
        assert size < 10e6

        again = head.run(*on_the_page("mpnas submit", head, tmp_path))
        assert again.returncode == 0, again.stdout + again.stderr
        assert report_in(again.stdout) == report
        assert "[1/2]" not in again.stdout
        assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("first/*/result.json")} == trained

    @pytest.mark.slow
    def test_the_script_of_the_examples(self, head: Head, tmp_path: Path) -> None:
        done = head.run("bash", str(ROOT / "examples" / "cluster_job.sh"), head.dashboard, str(tmp_path))
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Best of 4 architectures on wave-parameters" in done.stdout

    @pytest.mark.slow
    def test_a_task_of_ones_own_is_watched_for_a_while(self, head: Head, tmp_path: Path) -> None:
        """Lines come while the job runs from a folder with secrets; it outlives Ctrl-C, and the hint shows all."""
        mine = tmp_path / "mine"
        mine.mkdir()
        module, *_ = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "own-task.md").read_text(), flags=re.DOTALL)
        (mine / "wave.py").write_text(module)
        (mine / ".env").write_text("KEY=private")
        words = ["search", "--task", "wave:TASK", "--space", "nasbenchasr", "--storage", str(tmp_path), "--name", "own"]
        words += [
            "--num-samples",
            "12",
            "--epochs",
            "4",
            "--max-concurrent",
            "1",
        ]  # goes on for seconds after the first
        process = subprocess.Popen(
            ["mpnas", "submit", "--address", head.dashboard, "--", *words],
            cwd=mine,
            env=head.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
        )
        assert process.stdout is not None
        seen = []
        for line in process.stdout:
            seen.append(line)
            if line.startswith("[ 1/12]"):
                process.send_signal(signal.SIGINT)
                break
        rest, errors = process.communicate()
        assert process.returncode == 130, "".join(seen) + errors
        assert TOKEN not in "".join(seen) + rest + errors
        hint = re.search(r"^The job goes on\. To watch it again: (.*)$", rest, flags=re.MULTILINE)
        assert hint
        watched = head.run(*shlex.split(hint[1]))
        assert watched.returncode == 0, watched.stderr
        assert "Best of 12 architectures on wave" in report_in(watched.stdout)
        uploaded = [path.parent for path in head.session.glob("runtime_resources/working_dir_files/*/wave.py")]
        assert [path.name for folder in uploaded for path in folder.iterdir() if path.is_file()] == ["wave.py"]

    def test_a_job_that_fails_and_no_shell_that_reads_its_words(self, head: Head, tmp_path: Path) -> None:
        task = f"nothing; touch {tmp_path}/a $(touch {tmp_path}/b) 'x' \"$HOME\""
        done = head.run("mpnas", "submit", "--address", head.dashboard, "--", "search", "--task", task, cwd=tmp_path)
        assert done.returncode == 1
        assert f"mpnas: There is no task {task!r}." in done.stdout, done.stdout
        assert not list(tmp_path.iterdir())

    def test_without_waiting(self, head: Head, tmp_path: Path) -> None:
        held = tmp_path / "held"
        held.touch()
        (tmp_path / "mine.py").write_text(
            f"import os, time\nwhile os.path.exists({str(held)!r}):\n    time.sleep(0.1)\n"
        )
        words = ["--no-wait", "--submission-id", "seen-later", "--", "search", "--task", "mine:TASK"]
        done = head.run("mpnas", "submit", *words, cwd=tmp_path, RAY_API_SERVER_ADDRESS=head.dashboard)
        assert done.returncode == 0, done.stderr
        first, line = done.stdout.splitlines()
        assert first == "Submitting search --task mine:TASK."
        assert line.startswith("Submitted seen-later. ")
        assert line.endswith("To watch it: ray job logs --follow seen-later")
        job = head.job("seen-later")
        held.unlink()
        assert job["status"] in ("PENDING", "RUNNING"), "the command has not waited"
        assert job["entrypoint"] == "python -u -m cluster.cli search --task mine:TASK"

    @pytest.mark.slow
    def test_a_wrong_token_is_one_line(self, head: Head, tmp_path: Path) -> None:
        command = ["mpnas", "submit", "--address", head.dashboard, "--", "tasks"]
        done = head.run(*command, cwd=tmp_path, RAY_AUTH_TOKEN="f" * 64)
        assert done.returncode == 1
        assert done.stdout == "Submitting tasks.\n"
        (line,) = done.stderr.splitlines()
        assert "token" in line
        assert "f" * 64 not in line


def mpnas_submit(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cluster.cli", "submit", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.long
def test_no_dashboard_is_one_line(tmp_path: Path) -> None:
    done = mpnas_submit("--address", "http://127.0.0.1:9", "--", "tasks", cwd=tmp_path)  # port 9 discards, where it is
    assert done.returncode == 1
    assert done.stdout == "Submitting tasks.\n"
    (line,) = done.stderr.splitlines()
    assert line.startswith("mpnas: No job could be run or followed at http://127.0.0.1:9: Failed to connect")


def test_an_unknown_subcommand_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    done = mpnas_submit("--address", "http://127.0.0.1:9", "--", "serach", "--task", "digits", cwd=tmp_path)
    assert done.returncode == 1
    assert "There is no command 'serach'. There are: compare, " in done.stderr
    assert "Failed to connect" not in done.stderr


class _OfTheVersion(BaseHTTPRequestHandler):
    """A server with no more of a dashboard than the page that Ray's client looks at first."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/api/version" else 404)
        self.end_headers()
        self.wfile.write(json.dumps({"ray_version": ray.__version__}).encode())

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def serving(server: HTTPServer) -> Iterator[None]:
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


def test_a_server_that_cannot_show_the_log_is_an_error_of_ours() -> None:
    server = HTTPServer(("127.0.0.1", 0), _OfTheVersion)
    with serving(server), pytest.raises(RunError, match="404"):
        follow_job("some-job", address=f"http://127.0.0.1:{server.server_port}")


class _Dashboard(HTTPServer):
    """A dashboard that takes uploads and jobs, at first without anybody who starts them.

    Attributes:
        uploads: Paths of what was uploaded.
        jobs: The jobs that it was asked for, refused ones too.
    """

    def __init__(self, refuses: int) -> None:
        super().__init__(("127.0.0.1", 0), _OfJobs)
        self._refuses = refuses
        self.uploads: list[str] = []
        self.jobs: list[dict[str, Any]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def has_agent(self) -> bool:
        """Whether the last job that it was asked for can be started."""
        return len(self.jobs) > self._refuses


class _OfJobs(_OfTheVersion):
    server: _Dashboard

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.uploads.append(self.path)
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        self.server.jobs.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        started = self.server.has_agent
        self.send_response(200 if started else 500)
        self.end_headers()
        answer = (
            json.dumps({"job_id": "a", "submission_id": "a-job"}) if started else "No available agent to submit job"
        )
        self.wfile.write(answer.encode())


def test_the_agent_of_a_new_cluster_is_waited_for(tmp_path: Path) -> None:
    dashboard = _Dashboard(refuses=2)
    with serving(dashboard):
        assert submit_job(["tasks"], address=dashboard.address, working_dir=tmp_path) == "a-job"
    assert len(dashboard.jobs) == 3


def test_a_folder_may_change_while_it_is_uploaded(tmp_path: Path) -> None:
    """Ray looks for what was uploaded by the name that it has in the job."""
    dashboard, submitted = _Dashboard(refuses=0), threading.Event()

    def write() -> None:
        while not submitted.is_set():
            (tmp_path / "progress.csv").write_text(str(time.monotonic()))

    with serving(dashboard):
        writer = threading.Thread(target=write)
        writer.start()
        for _ in range(5):
            submit_job(["tasks"], address=dashboard.address, working_dir=tmp_path)
        submitted.set()
        writer.join()
    names = [job["runtime_env"]["working_dir"].removeprefix("gcs://") for job in dashboard.jobs]
    assert len(names) == 5
    assert [Path(upload).name for upload in dashboard.uploads] == names


# What is uploaded


def test_the_ignore_file_has_the_same_patterns() -> None:
    lines = (ROOT / ".rayignore").read_text().splitlines()
    assert tuple(line for line in lines if line and not line.startswith("#")) == EXCLUDES


SOURCE = (
    "search.py",
    "wave.py",
    "package/__init__.py",
    "package/data/labels.csv",
    "package/build/wave.py",
    "keys.py",
    "docs/token.md",
)
OTHERS = (
    ".git/config",
    ".git/objects/ab/cdef",
    ".venv/bin/python",
    ".venv-gpu/lib/x.so",
    "venv/bin/python",
    "__pycache__/wave.cpython-311.pyc",
    "package/__pycache__/__init__.cpython-311.pyc",
    "mine.egg-info/PKG-INFO",
    ".mypy_cache/3.11/x.json",
    ".pytest_cache/v/x",
    ".hypothesis/examples/x",
    ".ipynb_checkpoints/a.ipynb",
    "build/lib/wave.py",
    "dist/mine.whl",
    "data/train.npz",
    "runs/darcy/tuner.pkl",
    "benchmarks/results/table2.json",
    "mlruns/0/meta.yaml",
    "wandb/run-1/x",
    ".env",
    ".env.local",
    "storage.env",
    ".envrc",
    ".netrc",
    ".git-credentials",
    ".pypirc",
    ".aws/credentials",
    "deploy/.aws/credentials",
    ".azure/accessTokens.json",
    ".config/gcloud/application_default_credentials.json",
    ".docker/config.json",
    ".kube/config",
    ".ray/auth_token",
    ".ssh/config",
    ".ssh/id_rsa",
    "id_rsa",
    "id_ed25519",
    "id_ecdsa.pub",
    "key.pem",
    "deploy/tls.key",
    "certificate.p12",
    "my-credentials-2.json",
    "kubeconfig.yaml",
    "auth_token",
)


def uploaded(folder: Path, excludes: tuple[str, ...], archive: Path) -> set[str]:
    """Files that Ray puts into the archive of a working directory."""
    create_package(str(folder), archive, include_gitignore=True, excludes=list(excludes))
    with zipfile.ZipFile(io.BytesIO(archive.read_bytes())) as packed:
        return {name for name in packed.namelist() if not name.endswith("/")}


@pytest.mark.parametrize("by", ["excludes", "ignore file"])
def test_source_is_uploaded_and_nothing_else(tmp_path: Path, by: str) -> None:
    folder = tmp_path / "mine"
    for name in (*SOURCE, *OTHERS):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    assert uploaded(folder, (), tmp_path / "all.zip") == {*SOURCE, *OTHERS}, "unless it is told"
    if by == "excludes":
        assert uploaded(folder, EXCLUDES, tmp_path / "some.zip") == {*SOURCE}
    else:
        (folder / ".rayignore").write_text((ROOT / ".rayignore").read_text())
        assert uploaded(folder, (), tmp_path / "some.zip") == {*SOURCE, ".rayignore"}


@pytest.mark.parametrize("folder", sorted({name.rpartition("/")[0] for name in OTHERS} - {"", "deploy"}))
def test_a_new_folder_of_no_concern_leaves_the_upload_as_it_is(tmp_path: Path, folder: str) -> None:
    """Ray looks at the folder twice, and looks for the second name in what it uploaded under the first."""
    names = partial(get_uri_for_directory, str(tmp_path), include_gitignore=True, excludes=list(EXCLUDES))
    for parent in ("deploy", "package", "benchmarks"):
        (tmp_path / parent).mkdir()
    before = names()
    (tmp_path / folder).mkdir(parents=True)
    assert names() == before


def test_the_checkout_is_small(tmp_path: Path) -> None:
    names = uploaded(ROOT, (), tmp_path / "checkout.zip")
    assert {"cluster/cli.py", "searchers/model_based/mpnas.py", "trainables/tune/cell.py", "pyproject.toml"} <= names
    assert any(name.startswith("mpnas_ray/pretrained/") for name in names)
    assert not {name.split("/")[0] for name in names} & {".git", ".venv", "runs", "data", "build"}
    assert (tmp_path / "checkout.zip").stat().st_size < 8e6
