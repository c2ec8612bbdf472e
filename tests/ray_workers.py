"""Ask for one of Ray's workers, which is a copy of a process that has imported what workers need.

    python ray_workers.py --serialized-runtime-env-context=... --language=PYTHON default_worker.py ...

This is what Ray starts in place of its own ``setup_worker.py``: it asks the process of ray_templates.py for the worker,
and stays until that has ended. It imports little, as each worker has one of these.
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
        socket.send_fds(worker, [json.dumps([command, environment, sys.path, str(Path.cwd())]).encode()], [0, 1, 2])
        worker.shutdown(socket.SHUT_WR)
        worker.recv(1)  # it has sent nothing, and ends


if __name__ == "__main__":
    ask(sys.argv[1:])
