"""What ``--proxy`` means for one run."""

from __future__ import annotations

from cluster.run.settings import RunSettings
from mpnas_ray.errors import RunError, TaskError
from searchers.core.zero_cost import Score
from trainables.proxies import Batch, ZeroCostScore, get_proxy
from trainables.tasks.core.task import Task, TaskData, get_task

__all__ = ["zero_cost_score"]


def zero_cost_score(settings: RunSettings, task: Task, data: TaskData) -> Score | None:
    """The proxy as a score for the searcher, of networks as the run would train them; None if there is none.

    Raises:
        RunError: If workers could not find the task.
        TaskError: If the proxy is not defined on the task.
    """
    if settings.proxy is None:
        return None
    get_proxy(settings.proxy).check(Batch(data.train.inputs[:1], data.train.targets[:1]))
    reference = settings.task_reference or settings.task
    try:
        get_task(reference)
    except TaskError as error:
        raise RunError(
            f"Proxies are computed in a process of their own, which finds {task.name} by no name: search "
            f"--task module:variable, or without a proxy."
        ) from error

    return ZeroCostScore(
        task=reference,
        proxy=settings.proxy,
        preset=settings.preset,
        seed=settings.seed,
        data_dir=settings.data_path,
    )
