"""Addresses at which no Ray answers: each is one line, long before Ray's own clients give up."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import pytest
import ray

from cluster.ray.addresses import check_ray, find_dashboard
from cluster.ray.connection import connected
from cluster.ray.jobs import submit_job
from mpnas_ray.errors import RunError

pytestmark = pytest.mark.long


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log nothing."""


class _Dashboard(BaseHTTPRequestHandler):
    """A server with the page that Ray's job client looks at first."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/api/version" else 404)
        self.end_headers()
        self.wfile.write(b'{"ray_version": "%s"}' % ray.__version__.encode())

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def serving(server: HTTPServer) -> str:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"127.0.0.1:{server.server_port}"


@pytest.fixture(scope="module")
def addresses() -> Iterator[dict[str, str]]:
    """Servers of all kinds but Ray's, by what they are. Ray turns the loopback's address into that of the node."""
    from concurrent.futures import ThreadPoolExecutor

    with (
        socket.create_server(("0.0.0.0", 0)) as silent,  # accepts, and never answers
        ThreadingHTTPServer(("0.0.0.0", 0), _Quiet) as web,
        ThreadingHTTPServer(("0.0.0.0", 0), _Dashboard) as dashboard,
    ):
        with closing(socket.create_server(("127.0.0.1", 0))) as closed:
            dead = closed.getsockname()[1]
        rpc = grpc.server(ThreadPoolExecutor(1))
        of_rpc = rpc.add_insecure_port("0.0.0.0:0")
        rpc.start()
        yield {
            "closed": f"127.0.0.1:{dead}",
            "silent": f"127.0.0.1:{silent.getsockname()[1]}",
            "web": serving(web),
            "dashboard": serving(dashboard),
            "grpc": f"127.0.0.1:{of_rpc}",
        }
        rpc.stop(None)
        web.shutdown()
        dashboard.shutdown()


@pytest.fixture(autouse=True)
def _no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("{closed}", "no Ray answers there (Connection refused"),
        ("{web}", "no Ray answers there"),
        ("{grpc}", "is not the address of a Ray cluster"),
        ("ray://{closed}", "Ray's client cannot be used here"),
        ("no-such-module://x", "no-such-module"),
        ("http://{dashboard}", "is the address of a dashboard"),
        ("https://{closed}", "is the address of a dashboard"),
        ("localhost", "'localhost' is not host:port"),
        ("127.0.0.1:abc", "'127.0.0.1:abc' is not host:port"),
        ("127.0.0.1:99999", "'127.0.0.1:99999' is not host:port"),
        ("127.0.0.1:0", "'127.0.0.1:0' is not host:port"),
        (":6379", "':6379' is not host:port"),
        ("a b:6379", "'a b:6379' is not host:port"),
        ("no-such-host.invalid:6379", "no Ray answer"),
    ],
)
def test_an_address_without_ray_is_one_line(
    addresses: dict[str, str], monkeypatch: pytest.MonkeyPatch, address: str, reason: str
) -> None:
    address = address.format(**addresses)
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(RunError, match=re.escape(reason)) as caught, connected():
        pass
    message = str(caught.value)
    assert message.startswith((f"RAY_ADDRESS={address} cannot be used: ", f"Ray at RAY_ADDRESS={address} could not "))
    assert "\n" not in message
    assert not ray.is_initialized()


def test_a_server_that_never_answers_is_one_line(addresses: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.ray.addresses.ANSWER_S", 0.5)
    for address in (addresses["silent"], f"http://{addresses['silent']}", f"ray://{addresses['silent']}"):
        with pytest.raises(RunError, match=r"Failed to connect: no (dashboard|Ray) answered in 0\.5 s\."):
            submit_job(["tasks"], address=address)
    monkeypatch.setenv("RAY_ADDRESS", addresses["silent"])
    with pytest.raises(RunError, match=r"Failed to connect: no Ray answered in 0\.5 s\. Set it to host:port"):
        check_ray()


def test_no_address_or_an_own_ray_is_asked_of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    check_ray()
    monkeypatch.setenv("RAY_ADDRESS", "local")
    check_ray()


def test_auto_without_a_cluster_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray._private import services

    monkeypatch.setattr(services, "find_gcs_addresses", lambda: frozenset())  # those of other tests on this machine
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    with pytest.raises(RunError, match="RAY_ADDRESS=auto cannot be used: Could not find any running Ray instance"):
        check_ray()


def test_a_cluster_of_ray_start_that_has_gone_is_one_line(
    addresses: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is noted in a file that stays when the cluster is killed."""
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text(addresses["closed"])
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    with pytest.raises(RunError, match=r"started on this machine cannot be used: .* `ray stop` forgets it"):
        check_ray()


# Dashboards


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://{closed}", "Failed to connect: no dashboard answers there"),
        ("{closed}", "Failed to connect: no dashboard answers there"),
        ("https://{closed}", "Failed to connect: no dashboard answers there"),
        ("http://{web}", "What answers there (HTTP 404) is not a Ray dashboard"),
        ("{web}", "What answers there (HTTP 404) is not a Ray dashboard"),
        ("https://{dashboard}", "http:// is spoken there"),
        ("http://{grpc}", "no dashboard answers there"),
        ("{grpc}", "no dashboard answers there"),
        ("ray://{closed}", "no Ray answers there (Connection refused"),
        ("ray://{grpc}", "is not the address of a Ray cluster"),
        ("ray://x:y", "'x:y' is not host:port"),
        ("localhost", "'localhost' is not host:port"),
        ("127.0.0.1:abc", "'127.0.0.1:abc' is not host:port"),
        ("http://127.0.0.1:abc", "Failed to parse"),
        ("http://", "No host supplied"),
    ],
)
def test_no_dashboard_is_one_line(addresses: dict[str, str], address: str, reason: str, tmp_path: Path) -> None:
    address = address.format(**addresses)
    with pytest.raises(RunError, match=re.escape(reason)) as caught:
        submit_job(["tasks"], address=address, working_dir=tmp_path)
    message = str(caught.value)
    assert message.startswith(f"No job could be run or followed at {address}: ")
    assert "\n" not in message


def test_a_dashboard_is_found_with_and_without_its_scheme(addresses: dict[str, str]) -> None:
    url = f"http://{addresses['dashboard']}"
    assert find_dashboard(url) == find_dashboard(f"{url}/") == find_dashboard(addresses["dashboard"]) == url


@pytest.mark.parametrize("variable", ["RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"])
def test_the_address_given_goes_before_the_environment(
    addresses: dict[str, str], monkeypatch: pytest.MonkeyPatch, variable: str, tmp_path: Path
) -> None:
    """Ray's own client does it the other way round, and would send the job to a cluster that nobody named."""
    monkeypatch.setenv(variable, f"http://{addresses['dashboard']}")
    assert find_dashboard() == f"http://{addresses['dashboard']}"
    with pytest.raises(RunError, match=f"followed at http://{addresses['web']}: What answers there"):
        submit_job(["tasks"], address=f"http://{addresses['web']}", working_dir=tmp_path)
    monkeypatch.setenv(variable, f"http://{addresses['closed']}")
    with pytest.raises(RunError, match="Request failed with status code"):  # of what this dashboard does not have
        submit_job(["tasks"], address=addresses["dashboard"], working_dir=tmp_path)
    assert os.environ[variable] == f"http://{addresses['closed']}"


# Commands


@pytest.mark.parametrize(
    "words",
    [
        "search --task digits --num-samples 1 --epochs 1",
        "submit -- tasks",
        pytest.param("train --task digits --model wrn-16-1 --epochs 1", marks=pytest.mark.slow),
        pytest.param("tables build --task digits --num-archs 1 --epochs 1 --out own.parquet", marks=pytest.mark.slow),
        pytest.param("score --space nasbench201 --task digits --proxy naswot --out scores", marks=pytest.mark.slow),
    ],
)
def test_an_error_is_one_line(addresses: dict[str, str], words: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cluster.cli", *words.split()],
        cwd=tmp_path,
        env={**os.environ, "RAY_ADDRESS": addresses["closed"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1, "what is begun, and nothing after it"
    (line,) = done.stderr.splitlines()
    assert line.startswith("mpnas: ")
    assert addresses["closed"] in line
