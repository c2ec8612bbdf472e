"""Make the functions of those costs of a search that are known before a training."""

from __future__ import annotations

from functools import partial

from cluster.run.config import SearchConfig
from searchers.model_based.objectives.costs import CostOf
from trainables.networks.limits import NetworkSizes
from trainables.tasks.core.task import Task, TaskData
from trainables.training.loop import recipe_of

__all__ = ["known_costs"]


def known_costs(config: SearchConfig, task: Task, data: TaskData) -> dict[str, CostOf]:
    """Return name -> function of the costs that the search looks at and that follow from an architecture."""
    if not config.cost_names:
        return {}
    sizes = NetworkSizes(task.encoded_shape(data), task.num_outputs, task.dense, config.preset)
    batch_size = config.batch_size or recipe_of(task, {}).batch_size
    every: dict[str, CostOf] = {
        "parameters": sizes.parameters,
        "flops": sizes.flops,
        "memory_bytes": partial(sizes.training_bytes, batch_size=batch_size),
    }
    return {name: every[name] for name in config.cost_names if name in every}
