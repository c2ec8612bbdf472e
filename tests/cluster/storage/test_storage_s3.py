"""A run on storage that speaks S3, whose head is lost with its disk. The server is moto's, on this machine."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
import psutil  # type: ignore[import-untyped]
import pytest

pytestmark = pytest.mark.ray

COMMAND = [sys.executable, "-m", "cluster.cli", "search", "--task", "held:TASK", "--space", "nasbench201"]
COMMAND += ["--num-samples", "4", "--epochs", "2", "--max-concurrent", "1", "--storage", "s3://runs/x", "--name", "one"]
COMMAND += ["--searcher", "random"]


@pytest.fixture
def environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wait_for: Callable[..., Any]
) -> Iterator[dict[str, str]]:
    """Give the settings by which a client finds the server, in which there is a bucket ``runs``."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with (tmp_path / "server").open("w") as log:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_for(lambda: answers(port) or server.poll() is not None, "moto's server")
        assert server.poll() is None, (tmp_path / "server").read_text()
        boto3.client("s3").create_bucket(Bucket="runs")
        yield {**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    finally:
        server.kill()
        server.wait()


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def disks() -> Iterator[list[str]]:
    """Two folders for what Ray keeps on a machine; their names are short, as those of sockets must be."""
    folders = [tempfile.mkdtemp(prefix="mpnas-") for _ in range(2)]
    yield folders
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def texts(suffix: str) -> dict[str, str]:
    """All files of the run whose names end so, by their paths in its folder."""
    client, found = boto3.client("s3"), {}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket="runs", Prefix="x/one/"):
        for entry in page.get("Contents", ()):
            if entry["Key"].endswith(suffix):
                body = client.get_object(Bucket="runs", Key=entry["Key"])["Body"].read()
                found[entry["Key"].removeprefix("x/one/")] = body.decode(errors="replace")
    return found


def ended_trainings() -> set[str]:
    """Architectures with a checkpoint after which nothing is to be trained."""
    records: list[dict[str, Any]] = [json.loads(text) for text in texts("/trial.json").values()]
    return {record["config"]["arch"] for record in records if record["result"]["done"]}


def kill_with_all_its_ray(driver: subprocess.Popen[str]) -> None:
    """Stop a machine as if it lost its power."""
    processes = [psutil.Process(driver.pid), *psutil.Process(driver.pid).children(recursive=True)]
    for process in processes:
        process.kill()
    driver.wait()
    psutil.wait_procs(processes)


def test_a_run_survives_the_loss_of_its_head_and_of_the_heads_disk(
    environment: dict[str, str], disks: list[str], held_task: Any, wait_for: Callable[..., Any]
) -> None:
    held_task.hold_after(3)  # in the second trial
    on_first, on_second = ({**environment, "RAY_TMPDIR": disk} for disk in disks)
    first = subprocess.Popen(
        COMMAND, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=held_task.folder, env=on_first
    )
    assert first.stdout is not None
    output = []
    try:
        for line in first.stdout:
            output.append(line)
            if line.startswith("[1/4]"):
                break
        # Tune announces a trial's end before its last checkpoint is written.
        wait_for(ended_trainings, "a checkpoint after the last epoch")
        assert first.poll() is None, "".join(output)
    finally:
        if first.poll() is None:
            kill_with_all_its_ray(first)
    killed_at = time.time()
    shutil.rmtree(disks[0])
    finished = ended_trainings()
    assert 1 <= len(finished) < 4
    assert list(texts("driver.json")), "the killed driver could not give the run free"

    held_task.let_go()
    second = subprocess.run(COMMAND, capture_output=True, text=True, check=False, cwd=held_task.folder, env=on_second)
    assert second.returncode == 0, second.stderr
    line = second.stdout.splitlines()[0]
    assert not line.startswith("[1/4]") or " 0.0 s " in line, "the first trial was done before"
    (report,) = (json.loads(text) for text in texts("report.json").values())
    assert (report["num_trials"], report["num_failed"]) == (4, 0)
    results = [json.loads(line) for text in texts("/result.json").values() for line in text.splitlines()]
    trained_then = [result for result in results if result["timestamp"] > killed_at and result["seconds"] != 0.0]
    archs_then = {result["config"]["arch"] for result in trained_then}
    assert finished.isdisjoint(archs_then), "finished, and trained again"
    assert len(finished | archs_then) == 4
    epochs = [(result["config"]["arch"], result["epoch"]) for result in trained_then]
    assert len(epochs) == len(set(epochs)), "no epoch is trained twice"
    assert not texts("driver.json")
