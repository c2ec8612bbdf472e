"""Compute items of work side by side on Ray, one core each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import ray

from cluster.durations import duration
from cluster.ray.connection import connected, most_concurrent
from cluster.tracebacks import keep_traceback
from cluster.work.display import shown
from cluster.work.folders import make_folders
from cluster.work.items import Results, WorkItem
from cluster.work.without_ray import call_without_ray
from mpnas_ray.errors import RunInterruptedError
from trainables.user_code import in_one_line, user_code_in_text

__all__ = ["compute_on_ray"]


def compute_on_ray(items: Sequence[WorkItem], store: Results, *, gpus: float = 0.0) -> dict[str, str]:
    """Compute items, each in a worker with one core and one torch thread, and keep each result as soon as it is there.

    Args:
        items: Items to compute.
        store: Place of the results, which all nodes must reach.
        gpus: GPUs of each item; a fraction lets items share one.

    Returns:
        Name -> error in one line, of the items that failed.

    Raises:
        RunError: If no node has what an item takes, or the folder cannot be written.
        RunInterruptedError: After Ctrl-C.
    """
    failures: dict[str, str] = {}
    with connected():
        most_concurrent({"CPU": 1.0, "GPU": gpus})
        make_folders(store.folder)
        with shown(items) as display:
            remote: Any = ray.remote(num_cpus=1, num_gpus=gpus)(_compute)
            pending = {remote.remote(item, store): item.name for item in items}
            try:
                while pending:
                    done, _ = ray.wait(list(pending), num_returns=1)
                    name = pending.pop(done[0])
                    try:
                        seconds = ray.get(done[0])
                        display.finished(name, f"{name} took {duration(seconds)}")
                    except ray.exceptions.RayError as error:
                        is_first = not failures
                        failures[name] = _in_one_line(error)
                        if is_first and user_code_in_text(str(error)):
                            failures[name] += f". {keep_traceback(str(error))}"
                        display.finished(name, f"{name} FAILED: {failures[name]}", important=True)
            except KeyboardInterrupt as interrupt:
                kept = len(items) - len(pending) - len(failures)
                raise RunInterruptedError(
                    f"Stopped; {kept} of {len(items)} units were done and are kept, meta-trainings go on from their "
                    f"last save. The same command continues."
                ) from interrupt
            finally:
                for reference in pending:  # of a cluster that goes on without us
                    ray.cancel(reference, force=True)
    return failures


def _compute(item: WorkItem, store: Results) -> float:
    """Compute an item in a worker, and keep its result; return the seconds that it took."""
    import torch

    torch.set_num_threads(1)
    start = time.monotonic()
    store.write(item, call_without_ray(item.compute) if item.without_ray else item.compute())
    return time.monotonic() - start


def _in_one_line(error: ray.exceptions.RayError) -> str:
    cause = error.cause if isinstance(error, ray.exceptions.RayTaskError) else error
    line = in_one_line(cause) if str(cause).strip() else f"{type(cause).__name__}: no message"
    where = user_code_in_text(str(error))
    return line if where is None or where in line else f"{line} ({where})"
