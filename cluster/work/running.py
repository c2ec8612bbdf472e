"""Compute the items of work that are missing: one that fails stops no other, and the same call goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from cluster.ray.connection import connected
from cluster.work.items import Results, WorkItem
from cluster.work.pool import compute_on_ray
from mpnas_ray.errors import RunError

__all__ = ["compute_missing", "compute_once", "read_all", "refuse_failures", "run_missing"]


def run_missing(items: Sequence[WorkItem], store: Results, *, gpus: float = 0.0) -> dict[str, Any]:
    """Return the results of items, those that the store lacks computed on Ray, one core each.

    Args:
        items: Items to compute.
        store: Place of the results, which all nodes must reach.
        gpus: GPUs of each item; a fraction lets items share one.

    Returns:
        Name -> result, in the order of the items.

    Raises:
        RunError: When all are done, if some failed: naming each with its error.
        RunInterruptedError: After Ctrl-C; all results so far are kept.
    """
    refuse_failures(compute_missing(items, store, gpus=gpus))
    return read_all(items, store)


def compute_missing(
    items: Sequence[WorkItem], store: Results, *, gpus: float = 0.0, session: ExitStack | None = None
) -> dict[str, str]:
    """Compute the items that the store lacks; arguments as of `run_missing`.

    Args:
        items: Items to compute.
        store: Place of the results.
        gpus: GPUs of each item.
        session: Keeps Ray running for later calls until it is closed; None to stop a Ray that was started for this.

    Returns:
        Name -> error in one line, of the items that failed. Nothing is started if nothing is missing.
    """
    missing = [item for item in items if store.read(item) is None]
    if not missing:
        return {}
    if session is not None:
        session.enter_context(connected())
    return compute_on_ray(missing, store, gpus=gpus)


def compute_once(item: WorkItem, store: Results) -> Any:
    """Return an item's result, computed in this process and kept if the store lacks it."""
    result = store.read(item)
    if result is None:
        store.write(item, item.compute())
        result = store.read(item)
    return result


def refuse_failures(failures: Mapping[str, str]) -> None:
    """Raise the error that closes work of which some failed.

    Args:
        failures: Name -> error in one line, of `compute_missing`; of several calls together.

    Raises:
        RunError: If there is any failure.
    """
    if failures:
        lines = "".join(f"\n  {name}: {error}" for name, error in failures.items())
        raise RunError(
            f"{len(failures)} units of work failed; the others are kept, and the same command computes these "
            f"again:{lines}"
        )


def read_all(items: Sequence[WorkItem], store: Results) -> dict[str, Any]:
    """Read the results of items that are all done, name -> result.

    Raises:
        RunError: If one is not there.
    """
    found = {item.name: store.read(item) for item in items}
    lost = [name for name, result in found.items() if result is None]
    if lost:
        raise RunError(f"{lost[0]} is done, but its file is not in {store.folder}: all nodes must reach that folder.")
    return found
