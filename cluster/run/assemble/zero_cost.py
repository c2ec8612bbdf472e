"""Turn the proxy of a search into a score for its searcher."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cluster.run.assemble.supernet_score import names_supernet, supernet_score
from cluster.run.config import SearchConfig
from mpnas_ray.errors import RunError, TaskError
from trainables.data_options import scheme_of
from trainables.proxies import Batch, ZeroCostScore, get_proxy
from trainables.tasks.core.task import Task, TaskData, get_task

if TYPE_CHECKING:
    from searchers.core.zero_cost import Score

__all__ = ["zero_cost_score"]


def zero_cost_score(config: SearchConfig, task: Task, data: TaskData) -> Score | None:
    """Make a score from the proxy, for networks as the run would train them; None if there is no proxy.

    Raises:
        RunError: If workers could not find the task, or there is no such supernet.
        TaskError: If the proxy is not defined on the task.
    """
    if config.proxy is None:
        return None
    is_supernet = names_supernet(config.proxy)
    if not is_supernet:
        get_proxy(config.proxy).check(Batch(data.train.inputs[:1], data.train.targets[:1]))
    try:
        if scheme_of(config.task) is None:  # files are named by their paths
            get_task(config.task)
    except TaskError as error:
        raise RunError(
            f"Proxies are computed in a separate process, which cannot find {task.name} by a name: search "
            f"--task module:variable, or without a proxy."
        ) from error
    if is_supernet:
        return supernet_score(config, task)
    return ZeroCostScore(
        task=config.task,
        proxy=config.proxy,
        preset=config.preset,
        seed=config.seed,
        data_dir=Path(config.data_dir) if config.data_dir else None,
        options=config.data_options,
    )
