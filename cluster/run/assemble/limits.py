"""Turn the limits ``--max-params`` and ``--max-flops`` into a constraint for the searcher."""

from __future__ import annotations

import numpy as np

from cluster.run.config import SearchConfig
from mpnas_ray.errors import RunError
from mpnas_ray.spaces import Architectures, SearchSpace, get_space
from trainables.networks.limits import NetworkSizes, SizeLimits
from trainables.tasks.core.task import Task, TaskData

__all__ = ["size_limits"]


def size_limits(config: SearchConfig, task: Task, data: TaskData) -> SizeLimits | None:
    """Make a constraint of the limits of a search; None if it has none.

    Raises:
        RunError: If no architecture is within them.
    """
    if config.max_params is None and config.max_flops is None:
        return None
    sizes = NetworkSizes(task.encoded_shape(data), task.num_outputs, task.dense, config.preset)
    limits = SizeLimits(sizes, config.max_params, config.max_flops)
    smallest = _smallest(get_space(config.space), limits)
    if not limits(smallest).all():
        raise RunError(
            f"No architecture of {config.space} was found within the limits: the smallest network for {task.name} at "
            f"preset {config.preset} has {sizes.parameters(smallest)[0]:,} parameters and "
            f"{sizes.flops(smallest)[0]:,} FLOPs, {smallest[0]}."
        )
    return limits


def _smallest(space: SearchSpace, limits: SizeLimits) -> Architectures:
    """Find the architecture that exceeds the limits least: a batch of one.

    Large spaces are not listed; there it is the end of a descent over neighbours from the best of some thousand.
    """
    archs = space.distinct() if space.enumerable else space.sample_many(5_000, np.random.default_rng(0))
    excess = limits.excess(archs)
    best, least = int(excess.argmin()), float(excess.min())
    arch = archs[best]
    while least > 1.0 and not space.enumerable:
        neighbors = space.neighbors(arch)
        excess = limits.excess(neighbors)
        if excess.min() >= least:
            break
        arch, least = neighbors[int(excess.argmin())], float(excess.min())
    return Architectures.of([arch])
