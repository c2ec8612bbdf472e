"""Lock a run's folder for one driver: two drivers would overwrite each other's trials."""

from __future__ import annotations

import json
import logging
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cluster.storage.run_folder import DRIVER_FILE, RunFolder
from mpnas_ray.errors import RunError
from mpnas_ray.files.json_records import parse_json

__all__ = ["DRIVER_FILE", "has_driver", "locked"]

_BEAT_S = 5.0
_STALE_S = 20.0
"""Seconds without a beat after which a driver counts as dead, by the clock of the process that waits for one."""

_SETTLE_S = 0.3
"""Seconds between writing the file and reading it again: of two drivers that begin at once, the later writer stays."""

_logger = logging.getLogger(__name__)


@contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """Lock a run's folder for this process, while this is open.

    A driver that was killed leaves its file behind. One of this machine is known to be dead by its process, and one of
    another machine by its beats, for which this function waits. A driver that finds its file taken over, because it
    stood still for long, is interrupted as by Ctrl-C.

    Raises:
        RunError: If another driver uses the folder.
    """
    mine = {"host": socket.gethostname(), "pid": os.getpid(), "machine": _machine(), "token": secrets.token_hex(8)}
    other = _read(folder)
    if other is not None and not _is_dead_here(other) and _beats(folder, other):
        raise RunError(
            f"{folder} is in use by process {other.get('pid')} of {other.get('host')}: wait until it ends, or stop it "
            f"first. A run has one driver at a time."
        )
    folder.write(DRIVER_FILE, json.dumps({**mine, "beat": 0}))
    time.sleep(_SETTLE_S)
    if not _is_mine(folder, mine):
        raise RunError(f"{folder} was taken by another driver at the same moment: this one stops.")
    ended = threading.Event()
    beating = threading.Thread(target=_beat, args=(folder, mine, ended), name="driver beat", daemon=True)
    beating.start()
    try:
        yield
    finally:
        ended.set()
        beating.join()
        with suppress(OSError, RunError):  # by now the run has its result or an error of its own
            if _is_mine(folder.impatient(), mine):
                folder.impatient().delete(DRIVER_FILE)


def has_driver(folder: RunFolder) -> bool:
    """Say whether a driver seems to work in a run's folder; one of another machine may be dead all the same."""
    driver = _read(folder)
    return driver is not None and not _is_dead_here(driver)


def _beat(patient: RunFolder, mine: dict[str, Any], ended: threading.Event) -> None:
    folder, beat = patient.impatient(), 0  # the end of the run need not wait for storage
    while not ended.wait(_BEAT_S):
        try:
            if not _is_mine(folder, mine):
                _logger.error("%s was taken over by another driver: this one is stopped.", folder)
                _interrupt()
                return
            beat += 1
            folder.write(DRIVER_FILE, json.dumps({**mine, "beat": beat}))
        except (OSError, RunError) as error:  # noqa: PERF203  (storage is away; the next beat may find it again)
            _logger.warning("Could not renew %s/%s: %s", folder, DRIVER_FILE, error)


def _interrupt() -> None:
    """Interrupt the main thread as Ctrl-C does; end a process that runs in the background and ignores it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        os._exit(1)
    os.kill(os.getpid(), signal.SIGINT)


def _read(folder: RunFolder) -> dict[str, Any] | None:
    """Read the driver's file; a damaged one gives nothing, and counts as a driver without beats."""
    try:
        text = folder.read(DRIVER_FILE)
    except RunError:  # a folder of that name
        return {}
    if text is None:
        return None
    try:
        content = parse_json(text)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _is_mine(folder: RunFolder, mine: dict[str, Any]) -> bool:
    return bool((_read(folder) or {}).get("token") == mine["token"])


def _is_dead_here(driver: dict[str, Any]) -> bool:
    """Tell whether a driver was a process of this machine that has ended."""
    pid = driver.get("pid")
    if driver.get("machine") != _machine() or not isinstance(pid, int) or not 0 < pid < 2**31:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it is there, and somebody else's
        pass
    return False


def _machine() -> str:
    """Name this machine and its numbering of processes: containers may share a host's name, but not these numbers."""
    boot, numbering = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    known = [boot.read_text().strip(), str(numbering.stat().st_ino)] if boot.exists() and numbering.exists() else []
    return "-".join([socket.gethostname(), *known])


def _beats(folder: RunFolder, driver: dict[str, Any]) -> bool:
    """Wait for a change of a driver's file; a file that goes away means that the run is free."""
    _logger.warning(
        "%s names a driver (process %s on %s): waiting to see whether it is alive.",
        folder,
        driver.get("pid"),
        driver.get("host"),
    )
    end = time.monotonic() + _STALE_S
    while time.monotonic() < end:
        time.sleep(_BEAT_S / 5)
        now = _read(folder)
        if now is None:
            return False
        if now != driver:
            return True
    return False
