"""Submit commands as jobs of a Ray cluster and follow them, over Ray's own job client."""

from __future__ import annotations

import asyncio
import os
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
from ray._private.ray_constants import RAY_RUNTIME_ENV_IGNORE_GITIGNORE
from ray._private.runtime_env.packaging import create_package
from ray.exceptions import RayError
from ray.job_submission import JobDetails, JobStatus, JobSubmissionClient
from tenacity import retry, retry_if_exception_message, stop_after_delay, wait_fixed

from cluster.ray.addresses import find_dashboard, given_address, in_one_line, named_by_address_alone
from mpnas_ray.errors import RunError
from mpnas_ray.own_packages import foreign_file

__all__ = ["EXCLUDES", "follow_job", "submit_job"]

EXCLUDES = (
    # Version control, environments and caches.
    ".git",
    ".venv*",
    "venv",
    "__pycache__",
    "*.py[co]",
    "*.egg-info",
    ".*_cache",
    ".hypothesis",
    ".ipynb_checkpoints",
    "node_modules",
    "/build",
    "/dist",
    # Data and results: they are read from and written to storage that all nodes reach.
    "/data",
    "/runs",
    "/benchmarks/results",
    "mlruns",
    "lightning_logs",
    "wandb",
    # Secrets, which anybody who reaches the cluster could read there.
    "*.env",
    ".env.*",
    ".envrc",
    ".netrc",
    ".git-credentials",
    ".pypirc",
    ".aws",
    ".azure",
    ".config",
    ".docker",
    ".gnupg",
    ".kube",
    ".ray",
    ".ssh",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*credentials*.json",
    "auth_token",
    "kubeconfig*",
)
"""Patterns of gitignore for the files of a working directory that are not uploaded; files that its own ``.gitignore``
and ``.rayignore`` name are not uploaded either. The file ``.rayignore`` of this project holds the same patterns for the
plain ``ray job submit``. No pattern ends in a slash: Ray would leave out what lies in such a folder, but not the
folder, and a job fails if one comes into being while ``ray job submit`` uploads."""

_PAUSE_S = 0.5
_AGENT_S = 60.0
"""Seconds to wait for the agent that starts jobs: the dashboard of a new cluster answers seconds before it does."""


def submit_job(
    command: Sequence[str],
    *,
    address: str | None = None,
    working_dir: str | Path = ".",
    submission_id: str | None = None,
) -> str:
    """Submit a command of ``mpnas`` to a cluster.

    Args:
        command: Words of the command, e.g. ``["search", "--task", "digits"]``. No shell reads them.
        address: Address of the cluster's dashboard, ``http://host:8265`` or ``host:8265``, or of the cluster itself.
            If None, ``RAY_API_SERVER_ADDRESS`` or ``RAY_ADDRESS`` name it, else it is this machine's. A token is taken
            from where Ray looks for it (``RAY_AUTH_TOKEN``).
        working_dir: Folder to upload and to run in, without `EXCLUDES`.
        submission_id: Name of the job, which no other job has; Ray makes one if None.

    Returns:
        The job's submission id.

    Raises:
        RunError: If there is no cluster, if it refuses the token, or if the folder cannot be uploaded.
    """
    folder = Path(working_dir).expanduser().resolve()
    if not folder.is_dir():
        raise RunError(f"{folder} is no folder: --working-dir names the one to upload.")
    # Python looks into the folder first; our checkout may be that folder, and what is installed there may be older.
    module = "mpnas_cli" if foreign_file("cluster", folder) else "cluster.cli"
    # Ray would look at the folder twice, and a job whose folder has changed in between fails: a run may write there.
    with _explained(address), TemporaryDirectory() as scratch:
        archive = Path(scratch) / "working-dir.zip"
        ignored = os.environ.get(RAY_RUNTIME_ENV_IGNORE_GITIGNORE, "0") != "1"
        create_package(str(folder), archive, include_gitignore=ignored, excludes=list(EXCLUDES))
        return _submit(
            _client(address),
            entrypoint=shlex.join(["python", "-u", "-m", module, *command]),
            submission_id=submission_id,
            runtime_env={"working_dir": str(archive)},
        )


@retry(
    retry=retry_if_exception_message(match="(?s).*No available agent"),
    stop=stop_after_delay(_AGENT_S),
    wait=wait_fixed(_PAUSE_S),
    reraise=True,
)
def _submit(client: JobSubmissionClient, **job: Any) -> str:
    return str(client.submit_job(**job))


def follow_job(
    job: str, *, address: str | None = None, echo: Callable[[str], None] = lambda text: print(text, end="", flush=True)
) -> int:
    """Pass on the output of a job until it has ended.

    Args:
        job: Submission id of the job.
        address: Address of the cluster, as for `submit_job`.
        echo: Function that receives the text as it comes.

    Returns:
        The job's exit status: 0 if it succeeded; 1 if it ended otherwise without one.

    Raises:
        RunError: If the cluster can no longer be reached; the job may still run.
    """
    with _explained(address):
        client = _client(address)
        asyncio.run(_pass_on(client, job, echo))
        while not (details := client.get_job_info(job)).status.is_terminal():
            time.sleep(_PAUSE_S)
    return _exit_status(details, echo)


def _client(address: str | None) -> JobSubmissionClient:
    url = find_dashboard(address)
    with named_by_address_alone():
        return JobSubmissionClient(url)


async def _pass_on(client: JobSubmissionClient, job: str, echo: Callable[[str], None]) -> None:
    async for text in client.tail_job_logs(job):
        echo(text)


def _exit_status(details: JobDetails, echo: Callable[[str], None]) -> int:
    if details.status == JobStatus.SUCCEEDED:
        return 0
    if details.driver_exit_code is None:  # stopped, or it never began
        echo(f"The job is {details.status}: {details.message}\n")
    return details.driver_exit_code or 1


@contextmanager
def _explained(address: str | None) -> Iterator[None]:
    """Turn errors of Ray's client into a `RunError` of one line."""
    try:
        yield
    except (OSError, RuntimeError, ValueError, RayError, aiohttp.ClientError) as error:  # OSError: those of requests
        reason = in_one_line(error)
        where = given_address(address) or "the cluster of this machine (no --address, and RAY_ADDRESS is not set)"
        raise RunError(
            f"No job could be run or followed at {where}: {reason} Is it the address of a dashboard, such as "
            f"http://127.0.0.1:8265, and is RAY_AUTH_TOKEN set if the cluster wants a token?"
        ) from error
