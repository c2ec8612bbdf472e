"""The lines that a search prints into a pipe, such as the log of a job, and on a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

PRINTER = """
import sys
from ray.tune.experiment import Trial
from cluster.observe.progress import SearchProgress

# Longer than a screen is wide, and with what rich takes for emoji and markup.
ARCH = "mixed:nasbench101:x:" + "|".join(["conv3-d1:-1:[bold]"] * 30)

class WithoutRay(Trial):
    error_file = "/runs/run/3/error.txt"  # else in a folder that only Ray knows

def trial(number):
    made = WithoutRay("CellTrainable", config={"arch": ARCH}, stub=True, trial_id=f"{number:08}")
    made.update_last_result({"validation_loss": 0.5 / number, "epoch": 1, "time_total_s": 1.0, "training_iteration": 1})
    return made

trials = [trial(number) for number in (1, 2, 3)]
progress = SearchProgress("validation_loss", "min", 3)
progress.setup()
progress.on_trial_start(0, trials, trials[0])
for iteration, one in enumerate(trials):
    one.set_status("RUNNING")
    progress.on_trial_result(iteration, trials, one, one.last_result)
    if iteration < 2:
        progress.on_trial_complete(iteration, trials, one)
        one.set_status("TERMINATED")
    else:
        progress.on_trial_error(iteration, trials, one)
    sys.stdin.readline()  # goes on when the line has arrived
progress.on_experiment_end(trials)
"""


@pytest.mark.long
@pytest.mark.parametrize(
    "variables", [{}, {"FORCE_COLOR": "1", "TTY_COMPATIBLE": "1", "TERM": "xterm-256color", "COLUMNS": "40"}]
)
def test_a_pipe_gets_whole_plain_lines_each_when_its_trial_ends(variables: dict[str, str]) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"} | variables
    with subprocess.Popen(
        [sys.executable, "-c", PRINTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        cwd=Path(__file__).parents[3],
    ) as printer:
        assert printer.stdin is not None
        assert printer.stdout is not None
        lines = []
        for _ in range(3):
            lines.append(printer.stdout.readline())  # would not come before the next if it were kept in a buffer
            printer.stdin.write(b"\n")
            printer.stdin.flush()
        assert printer.stdout.read() == b"", "nothing but the lines"
    assert printer.returncode == 0
    arch = b"mixed:nasbench101:x:" + b"|".join([b"conv3-d1:-1:[bold]"] * 30)
    assert [line[:20] for line in lines] == [
        b"[1/3] best 0.50000, ",
        b"[2/3] best 0.25000, ",
        b"[3/3] best 0.25000, ",
    ]
    assert all(line.count(arch) == 1 and line.endswith(b"\n") for line in lines)
    assert b" failed " in lines[2]
    assert lines[2].endswith(b"(see /runs/run/3/error.txt)\n")
    for control in (b"\x1b", b"\r", b"\x08"):
        assert control not in b"".join(lines)


@pytest.mark.long
@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_line_fits_the_terminal(columns: int) -> None:
    master, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "NO_COLOR")}
    printer = subprocess.Popen(
        [sys.executable, "-c", PRINTER],
        stdin=subprocess.PIPE,
        stdout=terminal,
        env={**environment, "TERM": "xterm-256color"},
        cwd=Path(__file__).parents[3],
    )
    os.close(terminal)
    assert printer.stdin is not None
    printer.stdin.write(b"\n\n\n")
    printer.stdin.close()
    shown = b""
    while True:
        try:
            block = os.read(master, 1 << 16)
        except OSError:  # the other end is closed
            break
        if not block:
            break
        shown += block
    os.close(master)
    assert printer.wait() == 0

    text = shown.decode()
    assert "\x1b[1;32m" in text, "a new best is green"
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n").splitlines()
    trials = [line for line in lines if re.match(r"\[\d/3\]", line)]
    assert [line[:5] for line in trials] == ["[1/3]", "[2/3]", "[3/3]"]
    assert all(len(line) <= columns and line.endswith("\u2026") for line in trials)
    assert "/runs/run/3/error.txt" in "".join(lines), "the file with the error is named whole"
