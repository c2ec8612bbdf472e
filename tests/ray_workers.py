"""Start Ray's workers as copies of one process that has imported what workers need.

    python ray_workers.py serve SOCKET      # copies itself for each worker that is asked for, until its input ends
    python ray_workers.py --serialized-runtime-env-context=... --language=PYTHON default_worker.py ...

Every trial, refit and task of another program has a worker of its own, and most of the 3.4 s of CPU of its start are
imports. The second command is what Ray starts in place of its own ``setup_worker.py``: it asks the process at
``MPNAS_RAY_WORKERS`` for the worker, and stays until that has ended. That process has imported the packages that
trials, Tune and Ray use. Neither Ray itself, which reads its settings in the environment of the worker as it loads, nor
our packages are imported before: a worker imports them as ever, and finds them where it would have.
"""

from __future__ import annotations

import gc
import json
import os
import random
import runpy
import selectors
import signal
import socket
import sys
from importlib import import_module
from pathlib import Path

SOCKET = "MPNAS_RAY_WORKERS"
"""Variable that names the socket of the process that is copied."""

OPTIONS = ("--serialized-runtime-env-context", "--language")
"""Options that Ray's own script reads and does not hand on; both may be absent."""


PACKAGES = (
    *("torch", "pandas", "pyarrow.parquet", "scipy.stats", "sklearn.datasets", "PIL.Image", "safetensors.torch"),
    *("fsspec", "google.protobuf.json_format", "jsonschema", "pydantic.v1", "requests", "rich.console", "tqdm", "yaml"),
    "pytest",
)
"""Packages that trials, Tune and Ray import."""


def ask(arguments: list[str]) -> None:
    """Ask for a worker, as Ray's own script would start one, and wait for its end."""
    options = dict(argument.split("=", 1) for argument in arguments if argument.startswith(OPTIONS))
    context = json.loads(options.get(OPTIONS[0]) or "{}")
    if context.get("command_prefix") or context.get("py_executable", sys.executable) != sys.executable:
        from ray._private.workers import setup_worker

        os.execv(sys.executable, [sys.executable, setup_worker.__file__, *arguments])
    command = [argument for argument in arguments if not argument.startswith(OPTIONS)]
    environment = {**os.environ, **context.get("env_vars", {})}
    with socket.socket(socket.AF_UNIX) as worker:
        worker.connect(os.environ[SOCKET])
        socket.send_fds(worker, [json.dumps([command, environment, sys.path, str(Path.cwd())]).encode()], [0, 1, 2])
        worker.shutdown(socket.SHUT_WR)
        worker.recv(1)  # it has sent nothing, and ends


def serve(address: str) -> None:
    """Import packages, and copy this process for each worker that is asked for."""
    for name in PACKAGES:
        import_module(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as ready:
        listener.bind(address)
        listener.listen(64)
        print("ready", flush=True)
        ready.register(listener, selectors.EVENT_READ)
        ready.register(sys.stdin, selectors.EVENT_READ)
        while all(key.fileobj is listener for key, _ in ready.select()):
            asked, _ = listener.accept()
            if os.fork() == 0:
                break
            asked.close()
        else:
            return
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    become_worker(asked)


def become_worker(asked: socket.socket) -> None:
    """Run a worker's script in this process, a copy; the socket is open as long as it runs."""
    import numpy as np

    message, descriptors, *_ = socket.recv_fds(asked, 1 << 20, 3)
    while part := asked.recv(1 << 20):
        message += part
    for given, own in zip(descriptors, (0, 1, 2), strict=True):
        os.dup2(given, own)
        os.close(given)
    command, environment, path, folder = json.loads(message)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    random.seed()
    np.random.seed()  # noqa: NPY002 - each copy would draw the same
    sys.argv = command
    sys.path[:] = [str(Path(command[0]).parent), *path[1:]]
    runpy.run_path(command[0], run_name="__main__")


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        ask(sys.argv[1:])
