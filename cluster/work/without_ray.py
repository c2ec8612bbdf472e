"""Call functions in a process that knows nothing of Ray.

`MPNASSearch` hands its refits to Ray if Ray runs, and proposes from the previous ranking meanwhile. A replay in a Ray
worker would depend on the speed of the cluster; in a process without Ray each refit is done at once.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from typing import TypeVar

from mpnas_ray.errors import RunError
from mpnas_ray.own_packages import put_first

__all__ = ["call_without_ray"]

T = TypeVar("T")


def call_without_ray(function: Callable[..., T], *arguments: object) -> T:
    """Call a function in a process that is started once and serves all later calls of this process.

    Args:
        function: The function, which can be imported by name, as can the classes of its arguments.
        *arguments: Arguments of the function.

    Returns:
        The value that the function returns.

    Raises:
        RunError: If the process died, e.g. because memory ran out.
    """
    try:
        return _process().submit(function, *arguments).result()
    except BrokenProcessPool as error:
        _process.cache_clear()
        raise RunError("The process that computed this died, perhaps because memory ran out.") from error


@cache
def _process() -> ProcessPoolExecutor:
    pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=put_first)
    pool.submit(_begin).result()  # only now does the process find our `cluster` where others are called so
    return pool


def _begin() -> None:
    """Take one torch thread, and end with the worker that is served, which Ray may kill."""
    import torch

    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
