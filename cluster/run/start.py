"""Start a search, or continue one that was started with the same config."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from cluster.run.assemble.supernet_score import ONE_SHOT
from cluster.run.config import SearchConfig
from cluster.run.damage import record_before
from cluster.run.record import RunRecord
from cluster.run.report import SearchReport
from cluster.run.session import run_session
from cluster.storage.run_folder import RunFolder
from mpnas_ray.errors import RunError
from mpnas_ray.pretrained import BUNDLED
from searchers.registry import BY_SCORE
from trainables import Task, get_task
from trainables.tasks.core.task import task_reference

__all__ = ["run_search"]


def run_search(
    config: SearchConfig | None = None, *, task: str | Task | None = None, progress: bool = True, **fields: Any
) -> SearchReport:
    """Search an architecture, as ``mpnas search`` does.

    A run of the same name and config is continued as by `resume_search`. A run that is complete gives its report
    again.

    Args:
        config: The search; `SearchConfig` describes every field. The defaults if None.
        task: Task in place of the config's: a name, or a task that only this program knows of.
        progress: Print a line for each finished trial.
        **fields: Further fields of `SearchConfig`, in place of the config's.

    Raises:
        MPNASError: If a name, number or file is wrong; the message says which.
        RunInterruptedError: After Ctrl-C; call again with the same name to go on.
    """
    if config is not None and not isinstance(config, SearchConfig):
        raise RunError(
            f"run_search takes a SearchConfig, or its fields by name, such as task='digits', not {config!r}."
        )
    given: dict[str, Any] = {} if task is None else {"task": task.name if isinstance(task, Task) else task}
    config = replace(config or SearchConfig(), **given, **fields)
    reference = config.task if isinstance(task, Task) else task_reference(config.task)
    found = task if isinstance(task, Task) else get_task(config.task, config.data_options)
    settled = _settled(replace(config, task=reference), found)
    own_name = f"{found.name}-{config.space}-{datetime.now():%Y-%m-%d_%H-%M-%S}"
    folder = RunFolder(str(config.storage), own_name if config.name is None else config.name)
    record = RunRecord(settled, found.name)
    with folder.taken_away_if_refused():
        earlier = record_before(folder, record)
        if earlier is not None:
            record.check_same(earlier, folder)
        return run_session(record, found, folder, progress=progress)


def _settled(config: SearchConfig, task: Task) -> SearchConfig:
    """Fill in the defaults of task and searcher, and name files by their whole paths, which hold on any node."""
    predictor = config.predictor
    if predictor not in ("default", "cost", *BUNDLED) and config.searcher != "predictor":
        predictor = str(Path(predictor).expanduser().resolve())
    return replace(
        config,
        epochs=task.recipe.epochs if config.epochs is None else config.epochs,
        proxy=config.proxy or ("naswot" if config.searcher in BY_SCORE and config.searcher != ONE_SHOT else None),
        predictor=predictor,
        data_dir=str(Path(config.data_dir).expanduser().resolve()) if config.data_dir else None,
    )
