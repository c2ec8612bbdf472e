"""The failure cases, by the command that makes their table: a lost node each time, all with the slow tests.

A driver that is killed is in test_storage_s3.py too, with its head.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "failures.py"
pytestmark = pytest.mark.ray


def survived(tmp_path: Path, *cases: str) -> dict[str, dict[str, object]]:
    only = ["--only", *cases] if cases else []
    command = [sys.executable, str(SCRIPT), *only, "--work", str(tmp_path / "work"), "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-5000:]
    outcomes: dict[str, dict[str, object]] = json.loads((tmp_path / "failures.json").read_text())["outcomes"]
    rows = [line for line in (tmp_path / "failures.md").read_text().splitlines() if "| yes |" in line]
    assert len(rows) == len(outcomes)
    return outcomes


def test_a_lost_node_is_survived(tmp_path: Path) -> None:
    outcomes = survived(tmp_path, "worker-node")
    assert outcomes["worker-node"]["best"] == outcomes["undisturbed"]["best"]
    assert outcomes["undisturbed"]["epochs_repeated"] == 0


@pytest.mark.slow
def test_all_failures_are_survived(tmp_path: Path) -> None:
    assert len(survived(tmp_path)) == 9
