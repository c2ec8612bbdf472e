from __future__ import annotations

import atexit
import functools
import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
import torch

os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # or Ray writes a token into the home directory
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ |= {
    # On a busy machine: what Ray starts is as urgent as the tests themselves, and what is late is not dead.
    "RAY_worker_niceness": "0",
    "RAY_worker_register_timeout_seconds": "900",
    "RAY_health_check_timeout_ms": "300000",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "900",
    # Workers of finished tasks are kept for the next ones, which then import nothing again.
    "RAY_num_workers_soft_limit": "8",
    "RAY_prestart_worker_first_driver": "0",  # they would be of no use to programs whose workers need a hook
}
# Some machines are set to write no bytecode; hundreds of processes would then compile our modules again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# A place of their own: Ray joins a cluster that runs on this machine, if one is named in its folder.
os.environ["RAY_TMPDIR"] = tempfile.mkdtemp(prefix="mpnas-")  # short, as names of sockets must be
atexit.register(shutil.rmtree, os.environ["RAY_TMPDIR"], ignore_errors=True)
os.environ["MPNAS_CACHE_DIR"] = os.environ["RAY_TMPDIR"]  # samples of tests are not kept
# What is started in the background ignores Ctrl-C, and so would the programs that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
torch.set_num_threads(1)
# What a collection imports stays: to look for garbage among it, again and again, takes a fifth of its time.
gc.disable()
# How long an example takes depends on what else the machine does.
hypothesis.settings.register_profile("ours", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("ours")

WaitFor = Callable[..., Any]
_PATIENCE_S = 900.0


@pytest.fixture(scope="session")
def tables_folder() -> Path:
    folder = Path(os.environ.get("MPNAS_TABLES", Path(__file__).parents[2] / "shared" / "data" / "nas-tables"))
    if not any(folder.glob("*.parquet")):
        pytest.skip(f"no NAS tables at {folder}; MPNAS_TABLES names another folder")
    return folder


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated data sets, made once for all tests."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def needs_data() -> Callable[..., None]:
    """Skip a test where the data of a task that it names are not installed."""

    def needs_data(*tasks: str) -> None:
        from trainables import get_task

        for name in tasks:
            absent = {file.source for file in get_task(name).files if file.find(None) is None}
            if absent:
                pytest.skip(f"{name}: its data are not installed; `make data`, or {', '.join(absent)}")

    return needs_data


@pytest.fixture(scope="session")
def own_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files as a user has them: ``digits/<class>/*.png``, ``digits.npz``, ``iris.csv`` and ``diabetes.csv``."""
    from PIL import Image
    from sklearn.datasets import load_diabetes, load_digits, load_iris

    folder = tmp_path_factory.mktemp("own-data")
    digits, iris = load_digits(), load_iris(as_frame=True)
    for number, (image, label) in enumerate(zip(digits.images[:300], digits.target[:300], strict=True)):
        of_class = folder / "digits" / f"digit-{label}"
        of_class.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 15).astype(np.uint8)).save(of_class / f"{number}.png")
    np.savez(folder / "digits.npz", inputs=digits.images[:300, None], targets=digits.target[:300])
    table = iris.frame.rename(columns={"target": "species"})
    table["species"] = [str(iris.target_names[number]) for number in table["species"]]
    table.to_csv(folder / "iris.csv", index=False)
    load_diabetes(as_frame=True, scaled=False).frame.to_csv(folder / "diabetes.csv", index=False)
    return folder


@pytest.fixture(scope="session")
def wait_for() -> WaitFor:
    """Wait until a function gives something true, and give that: no test sleeps, or depends on the machine's speed."""

    def wait_for(condition: Callable[[], Any], what: str = "what was waited for") -> Any:
        end = time.monotonic() + _PATIENCE_S
        while not (found := condition()):
            assert time.monotonic() < end, f"{what} did not come"
            time.sleep(0.02)
        return found

    return wait_for


class Storage:
    """A folder that can be away, from one moment to the next: then what lies in it lies under a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uri = f"file://{folder}"  # as a plain path, it would be taken for what it links to
        self._disk = folder.parent / f"{folder.name}-disk"
        self._disk.mkdir(parents=True)
        self.come_back()

    def go_away(self) -> None:
        self._next.touch()
        self._next.rename(self.folder)

    def come_back(self) -> None:
        self._next.symlink_to(self._disk)
        self._next.rename(self.folder)

    @property
    def _next(self) -> Path:
        return self.folder.parent / f"{self.folder.name}-next"


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path / "runs")


@functools.cache
def _preload_workers() -> subprocess.Popen[bytes]:
    """Let all workers of the Ray of this process be copies of a few processes; see ray_templates.py."""
    from ray._private import ray_constants

    folder = Path(__file__).parent
    os.environ["MPNAS_RAY_WORKERS"] = f"{os.environ['RAY_TMPDIR']}/workers"
    command = [sys.executable, str(folder / "ray_templates.py"), os.environ["MPNAS_RAY_WORKERS"]]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert process.stdin is not None
    assert process.stdout is not None
    atexit.register(process.stdin.close)
    assert process.stdout.readline() == b"ready\n"
    ray_constants.SETUP_WORKER_FILENAME = str(folder / "ray_workers.py")
    hooks = str(folder / "child_programs")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (hooks, os.environ.get("PYTHONPATH"))))
    return process


def _start_ray(tries: int = 4) -> None:
    """Start Ray; a node that a busy machine did not start within Ray's half a minute is started again."""
    import ray
    from ray._private.node import Node

    _preload_workers()
    Node.start_log_monitor = lambda self: None  # it looks for lines ten times a second, for nobody
    try:
        ray.init(address="local", num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False)
    except Exception as error:  # Ray has no class of its own for it, nor a setting
        if tries == 1 or "timed out during startup" not in str(error):
            raise
        ray.shutdown()
        _start_ray(tries - 1)


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """Ray on this machine: two CPUs, and two GPUs that are only numbers; one for all, as a start takes ten seconds."""
    import ray

    _start_ray()
    yield
    ray.shutdown()


@pytest.fixture(autouse=True)
def ray_only_where_it_is_asked_for(request: pytest.FixtureRequest) -> None:
    """A test without the marker ``ray`` finds none running, whichever tests ran before it in the same process."""
    on_ray = request.node.get_closest_marker("ray") is not None
    if on_ray:
        _preload_workers()
    ray = sys.modules.get("ray")
    if ray is None:
        return
    if not on_ray:
        ray.shutdown()
    elif "ray_cluster" in request.fixturenames and not ray.is_initialized():
        _start_ray()


@pytest.fixture
def on_ray(ray_cluster: None) -> dict[str, str]:
    """Environment of programs that use that Ray, rather than start one of their own."""
    import ray

    return {**os.environ, "RAY_ADDRESS": ray.get_runtime_context().gcs_address}


@pytest.hookimpl(tryfirst=True)  # before xdist looks at the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put tests on Ray first, then files with long tests: what takes long is not left to one process at the end.

    Side by side (``--dist loadgroup``), a process takes the tests of a whole file, but those on Ray apart from the
    others: so each process starts Ray once, and stops it once.
    """

    def on_ray(item: pytest.Item) -> bool:
        return item.get_closest_marker("ray") is not None

    long = {item.path for item in items if item.get_closest_marker("long")}
    items.sort(key=lambda item: (not on_ray(item), item.path not in long))
    if config.pluginmanager.hasplugin("xdist"):
        for item in items:
            file = item.nodeid.partition("::")[0]
            item.add_marker(pytest.mark.xdist_group(f"{file}, on Ray" if on_ray(item) else file))
    from ray import cloudpickle

    for module in {item.module for item in items if on_ray(item)}:  # type: ignore[attr-defined]
        cloudpickle.register_pickle_by_value(module)  # workers get what it defines, and import nothing else of it


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    found = yield
    gc.freeze()
    gc.enable()
    return found
