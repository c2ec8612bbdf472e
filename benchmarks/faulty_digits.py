"""The task `digits`, whose metric misbehaves once when told to: for benchmarks/failures.py.

Each fault to come is a file in the folder ``MPNAS_FAULTS``; the process that deletes it first shows the fault.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from trainables import accuracy, get_task

HANG, MEMORY = "hang", "memory"

_STEP_BYTES, _MOST_BYTES = 100 * 2**20, 10 * 2**30


def _score(outputs: Tensor, targets: Tensor) -> float:
    if _is_mine(HANG):
        time.sleep(3_600)
    if _is_mine(MEMORY):
        _fill_memory()
    return accuracy(outputs, targets)


def _is_mine(fault: str) -> bool:
    try:
        (Path(os.environ["MPNAS_FAULTS"]) / fault).unlink()
    except FileNotFoundError:
        return False
    return True


def _fill_memory() -> None:
    """Take memory until Ray's memory monitor kills this process; give up after some GB."""
    held = []
    while len(held) * _STEP_BYTES < _MOST_BYTES:
        held.append(os.urandom(4096) * (_STEP_BYTES // 4096))
        time.sleep(0.1)


TASK = replace(get_task("digits"), name="faulty-digits", metric=replace(accuracy, function=_score))
