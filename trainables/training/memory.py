"""Choose where the data of a training lie: in the memory of its device, or on disk."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import torch

from mpnas_ray.checks import require_one_of
from mpnas_ray.errors import TaskError
from trainables.data_options import DATA_IN

__all__ = ["MEMORY_SHARE", "choose_data_in", "device_memory"]

MEMORY_SHARE = 0.5
"""Share of a device's memory that data may take; the rest is for the network and what it computes. Chosen, not
measured: reading from disk costs a few hundredths of the speed (benchmarks/results/data_loading.md), and a memory that
is too small costs the training."""

_GROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Files in which Linux tells a container how much memory it may use, of both versions of control groups."""


def device_memory(device: torch.device) -> int | None:
    """Return the bytes of memory of a GPU, or of this machine or container for the CPU; None if it is not known."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    found: list[int] = []
    with suppress(AttributeError, ValueError, OSError):  # not every system tells
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for file in _GROUP_LIMITS:
        with suppress(OSError, ValueError):  # "max" is no limit
            found.append(int(Path(file).read_text(encoding="ascii")))
    return min(found, default=None)


def choose_data_in(data_in: str, num_bytes: int, memory: int | None) -> str:
    """Return ``memory`` or ``disk``.

    Args:
        data_in: Choice of the user, one of `DATA_IN`; ``auto`` takes the disk for data larger than `MEMORY_SHARE` of
            the memory.
        num_bytes: Bytes of the encoded data.
        memory: Bytes of the device's memory, or of the part of it that belongs to the training; None if it is not
            known, as of a large memory.

    Raises:
        TaskError: If there is no such choice.
    """
    require_one_of("data_in", data_in, DATA_IN, error=TaskError)
    if data_in != "auto":
        return data_in
    return "disk" if memory is not None and num_bytes > MEMORY_SHARE * memory else "memory"
