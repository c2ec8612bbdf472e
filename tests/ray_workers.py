"""Start Ray's workers as copies of one process that has imported torch and pandas.

    python ray_workers.py serve SOCKET      # copies itself for each worker that is asked for, until its input ends
    python ray_workers.py --serialized-runtime-env-context=... --language=PYTHON default_worker.py ...

Every trial, refit and task of another program has a worker of its own, and two thirds of the 3.4 s of CPU of its start
are these imports. The second command is what Ray starts in place of its own ``setup_worker.py``: it asks the process at
``RAY_WORKERS`` for the worker, and stays until that has ended. Neither Ray itself nor our packages are imported before:
a worker imports them as ever, and finds them where it would have.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

SOCKET = "MPNAS_RAY_WORKERS"
"""Variable that names the socket of the process that is copied."""

OPTIONS = ("--serialized-runtime-env-context", "--language")
"""Options that Ray's own script reads and does not hand on; both may be absent."""


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
        socket.send_fds(worker, [json.dumps([command, environment, str(Path.cwd())]).encode()], [0, 1, 2])
        worker.shutdown(socket.SHUT_WR)
        worker.recv(1)  # it has sent nothing, and ends


def serve(address: str) -> None:
    """Import what workers need, and copy this process for each that is asked for."""
    import gc
    import selectors
    import signal
    from importlib import import_module

    for name in ("torch", "pandas"):
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
    import random
    import runpy

    import numpy as np

    message, descriptors, *_ = socket.recv_fds(asked, 1 << 20, 3)
    while part := asked.recv(1 << 20):
        message += part
    for given, own in zip(descriptors, (0, 1, 2), strict=True):
        os.dup2(given, own)
        os.close(given)
    command, environment, folder = json.loads(message)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    random.seed()
    np.random.seed()  # noqa: NPY002 - each copy would draw the same
    sys.argv = command
    sys.path[0] = str(Path(command[0]).parent)
    runpy.run_path(command[0], run_name="__main__")


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        ask(sys.argv[1:])
