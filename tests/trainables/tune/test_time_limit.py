"""A process that hangs is killed, whatever hangs in it; one that is done in time is not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from trainables.tune.time_limit import killed_after

HANGS = """
import ctypes, time
from trainables.tune.time_limit import killed_after

def stuck_in_a_library():
    ctypes.PyDLL(None).sleep(3600)  # PyDLL keeps Python's lock

def stuck_in_python():
    while True:
        try:
            time.sleep(3600)
        except BaseException:
            pass

with killed_after(0.5):
    {function}()
print("survived")
"""

IN_TIME = """
import time
from trainables.tune.time_limit import killed_after

for _ in range(2):
    with killed_after(2):
        pass
try:
    with killed_after(2):
        raise ValueError
except ValueError:
    pass
with killed_after(None):
    time.sleep(2.5)
print("survived")
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("function", ["stuck_in_a_library", "stuck_in_python"])
def test_what_hangs_is_killed_and_its_stack_is_told(function: str) -> None:
    done = run(HANGS.format(function=function))
    assert done.returncode != 0
    assert done.stdout == ""
    assert "Timeout" in done.stderr
    assert f"in {function}" in done.stderr


@pytest.mark.long
def test_after_its_end_the_limit_is_gone() -> None:
    done = run(IN_TIME)
    assert (done.returncode, done.stdout, done.stderr) == (0, "survived\n", "")


def test_errors_within_come_through() -> None:
    with pytest.raises(KeyError), killed_after(30):
        raise KeyError
