"""``mpnas submit``."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from cluster.commands.options import from_options
from cluster.commands.printing import say
from cluster.run.config import SearchConfig
from mpnas_ray.errors import RunError
from mpnas_ray.names import no_such
from mpnas_ray.ray_versions import require_dashboard

__all__ = ["submit"]

_LOGS = {
    "_private.runtime_env.packaging": logging.WARNING,  # of large files; not each ignore file that is heeded
    "_private.runtime_env.working_dir": logging.ERROR,  # not that .git and .venv are left out
    "dashboard.modules.dashboard_sdk": logging.WARNING,
    "dashboard.modules.job.sdk": logging.WARNING,
}
"""Logger of Ray's job client -> level from which its lines are shown; all of them would be twenty."""


def submit(
    context: typer.Context,
    command: Annotated[
        list[str], typer.Argument(help="Command to run there, after --, e.g. search --task digits --name digits.")
    ],
    address: Annotated[
        str | None,
        typer.Option(
            help="Dashboard of the cluster, http://host:8265; by default RAY_API_SERVER_ADDRESS, RAY_ADDRESS, or the "
            "cluster of this machine."
        ),
    ] = None,
    working_dir: Annotated[
        Path, typer.Option(help="Folder to upload and to run in; secrets, data and results in it are not uploaded.")
    ] = Path(),
    submission_id: Annotated[
        str | None, typer.Option(help="Name of the job, which no other job has; by default Ray makes one.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Print the output of the job, and exit with its status.")] = True,
) -> None:
    """Run a command as a job of a Ray cluster, for searches that go on when this terminal is closed.

    A token is taken from where Ray looks for it (RAY_AUTH_TOKEN), and never printed. Ctrl-C ends the output here, not
    the job. A search that is submitted again with the same --name goes on where it was.
    """
    say(f"Submitting {shlex.join(command)}.")
    _check_command(context, command)
    require_dashboard("mpnas submit")
    from cluster.ray.jobs import follow_job, submit_job

    if submission_id is not None and not submission_id.strip():
        raise RunError("--submission-id is the name of a job, not an empty text.")
    for source, level in _LOGS.items():
        logging.getLogger(f"ray.{source}").setLevel(level)
    job = submit_job(command, address=address, working_dir=working_dir, submission_id=submission_id)
    at = f" --address {address}" if address else ""
    follow = f"ray job logs{at} --follow {job}"
    typer.echo(f"Submitted {job}. To stop it: ray job stop{at} {job}" + ("" if wait else f". To watch it: {follow}"))
    if not wait:
        return
    try:
        status = follow_job(job, address=address)
    except KeyboardInterrupt:
        typer.echo(f"\nThe job goes on. To watch it again: {follow}")
        status = 130
    raise typer.Exit(status)


def _check_command(context: typer.Context, words: Sequence[str]) -> None:
    """Refuse a command that the cluster would refuse, as far as can be known here: all but tasks and files."""
    group: Any = context.parent.command if context.parent else None
    names: list[str] = []
    while hasattr(group, "commands"):
        known = sorted(set(group.commands) - {"submit"})
        word = words[len(names)] if len(words) > len(names) else ""
        if word not in known:
            raise RunError(no_such("command", word, known))
        names.append(word)
        group = group.commands[word]
    options = group.make_context(" ".join(names), list(words[len(names) :]), parent=context.parent).params
    if names == ["search"]:
        _check_search(options)


def _check_search(options: Mapping[str, Any]) -> None:
    from cluster.run.checking import check_config
    from cluster.storage.run_folder import check_run_name

    config = from_options(SearchConfig, options)
    if config.name is not None:
        check_run_name(config.name)
    if config.searcher == "mpnas":
        config = replace(config, predictor="default")  # a checkpoint is a file there
    check_config(replace(config, data_dir=None))
