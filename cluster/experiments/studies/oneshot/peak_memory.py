"""The most memory by which this process grows meanwhile, on Linux."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Peak", "peak_growth"]

_RESET_PEAK = "5"
"""Written into ``clear_refs``, it makes the peak the present size (proc(5))."""


@dataclass
class Peak:
    """A measured peak.

    Attributes:
        bytes: Most memory in use minus that in the beginning; None where the system does not tell.
    """

    bytes: int | None = None


@contextmanager
def peak_growth() -> Iterator[Peak]:
    """Measure how much memory the process takes at most, beyond what it has in the beginning.

    Memory that was freed before is given back first, so that it does not count as there already.
    """
    peak = Peak()
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text(_RESET_PEAK, encoding="ascii")
        before: int | None = _status("VmRSS")
    except (OSError, AttributeError):  # no Linux, or another C library
        before = None
    yield peak
    if before is not None:
        peak.bytes = _status("VmHWM") - before


def _status(name: str) -> int:
    """Read a size of this process in bytes.

    Raises:
        OSError: If the system does not have it.
    """
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"the system does not say {name}")
