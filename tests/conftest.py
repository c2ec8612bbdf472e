from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # or Ray writes a token into the home directory
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
# A place of their own: Ray joins a cluster that runs on this machine, if one is named in its folder.
os.environ["RAY_TMPDIR"] = tempfile.mkdtemp(prefix="mpnas-")  # short, as names of sockets must be
atexit.register(shutil.rmtree, os.environ["RAY_TMPDIR"], ignore_errors=True)
# What is started in the background ignores Ctrl-C, and so would the programs that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
torch.set_num_threads(1)


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
def ray_cluster() -> Iterator[None]:
    """Ray on this machine: two CPUs, and two GPUs that are only numbers; one for all, as a start takes ten seconds."""
    import ray

    ray.init(address="local", num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()
