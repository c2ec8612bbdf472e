"""Start Ray's workers as copies of processes that have imported what workers need.

    python ray_templates.py SOCKET      # makes a copy for each worker that is asked for, until its input ends

Every trial, refit and task of another program has a worker of its own, and most of the 3.4 s of CPU of its start are
imports. This process has imported the packages that trials, Tune and Ray use. Ray itself reads its settings in the
environment as it loads, and these name the job. So there is a template for each set of settings, a copy that has
imported Ray and Tune, too, and workers are copies of it: they take 0.1 s of CPU from start to end. Our packages are not
imported before: a worker imports them as ever, and finds them where it would have. ray_workers.py asks for workers.

A template must not have drawn one of Ray's random numbers. Its copies would go on with the same ones, and of two that
start at the same time, which then name their first objects alike, one ends.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import random
import runpy
import selectors
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

PACKAGES = (
    *("torch", "pandas", "pyarrow.parquet", "scipy.stats", "sklearn.datasets", "PIL.Image", "safetensors.torch"),
    *("fsspec", "google.protobuf.json_format", "jsonschema", "pydantic.v1", "requests", "rich.console", "tqdm", "yaml"),
    "pytest",
)
"""Packages that trials, Tune and Ray import."""

RAY = ("ray.tune", "ray.train", "ray.dag.compiled_dag_node")

MOST_TEMPLATES = 3
"""Number of sets of settings that have a template: those that were asked for last."""


def serve(address: str) -> None:
    """Import packages, and hand each worker that is asked for to the template of its settings."""
    import_all(PACKAGES)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    templates: dict[str, socket.socket] = {}
    with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as ready:
        listener.bind(address)
        listener.listen(64)
        print("ready", flush=True)
        ready.register(listener, selectors.EVENT_READ)
        ready.register(sys.stdin, selectors.EVENT_READ)
        while all(key.fileobj is listener for key, _ in ready.select()):
            asked, _ = listener.accept()
            message, descriptors, *_ = socket.recv_fds(asked, 1 << 20, 3)
            while part := asked.recv(1 << 20):
                message += part
            settings = settings_of_ray(json.loads(message)[1])
            template = templates.pop(settings, None)
            if template is None:
                template, its_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                if os.fork() == 0:
                    for other in (listener, asked, template, *templates.values()):
                        other.close()
                    break
                its_end.close()
            templates[settings] = template  # the last one is the one that was asked for last
            for oldest in list(templates)[:-MOST_TEMPLATES]:
                templates.pop(oldest).close()
            socket.send_fds(template, [message], [*descriptors, asked.fileno()])
            for descriptor in descriptors:
                os.close(descriptor)
            asked.close()
        else:
            return
    serve_settings(its_end)


def settings_of_ray(environment: dict[str, str]) -> str:
    return json.dumps({name: value for name, value in environment.items() if name.startswith("RAY_")}, sort_keys=True)


def serve_settings(asked: socket.socket) -> None:
    """Be a template: the first message has the settings, and each one asks for a worker."""
    message, descriptors, *_ = socket.recv_fds(asked, 1 << 20, 4)
    set_environment(json.loads(message)[1])
    import_ray()
    while message:
        if os.fork() == 0:
            asked.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            become_worker(message, descriptors)
            break
        for descriptor in descriptors:
            os.close(descriptor)
        message, descriptors, *_ = socket.recv_fds(asked, 1 << 20, 4)
    # To tidy up what is shared with other processes, as Python would do now, copies it first: 0.25 s.
    atexit._run_exitfuncs()
    os._exit(0)


def set_environment(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


def import_all(names: Sequence[str]) -> None:
    for name in names:
        import_module(name)
    gc.freeze()


def import_ray() -> None:
    """Import Ray; the classes of actors that it defines are not named by its own generator."""
    from ray import ActorClassID

    class Named(ActorClassID):
        @classmethod
        def from_random(cls) -> Any:
            return ActorClassID(os.urandom(ActorClassID.size()))

    with patch("ray.actor.ActorClassID", Named):
        import_all(RAY)


def become_worker(message: bytes, descriptors: list[int]) -> None:
    """Run a worker's script in this process; the last descriptor is a socket that is open as long as it runs."""
    import numpy as np

    os.setpgid(0, 0)  # Ray ends a worker with its process group
    for given, own in zip(descriptors[:3], (0, 1, 2), strict=True):
        os.dup2(given, own)
        os.close(given)
    command, environment, path, folder = json.loads(message)
    set_environment(environment)
    os.chdir(folder)
    random.seed()
    np.random.seed()  # noqa: NPY002 - each copy would draw the same
    sys.argv = command
    sys.path[:] = [str(Path(command[0]).parent), *path[1:]]
    with suppress(SystemExit):
        runpy.run_path(command[0], run_name="__main__")


if __name__ == "__main__":
    serve(sys.argv[1])
