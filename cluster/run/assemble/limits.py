"""Turn the limits of a search, of its options and of its space, into a constraint for the searcher."""

from __future__ import annotations

import numpy as np

from cluster.run.config import SearchConfig
from mpnas_ray.errors import RunError
from mpnas_ray.spaces import Architectures, SearchSpace, get_space
from trainables.networks.limits import NetworkSizes, SizeLimits
from trainables.tasks.core.task import Task, TaskData

__all__ = ["size_limits"]

_TIMES_LARGEST = 4
_LARGEST = "mixed:nasbench201:|conv7-d1~0|+|conv7-d1~0|conv7-d1~1|+|conv7-d1~0|conv7-d1~1|conv7-d1~2|"
"""The architecture of `mixed` whose networks take most multiply-adds."""


def size_limits(config: SearchConfig, task: Task, data: TaskData) -> SizeLimits | None:
    """Make a constraint of the limits of a search; None if it has none.

    Where architectures have sizes of their own and the config has no limit, their multiply-adds are bounded, so that
    the trainings of a search take about as long as its task and preset usually do.

    Raises:
        RunError: If no architecture is within them.
    """
    space = get_space(config.space)
    limited = config.max_params is not None or config.max_flops is not None
    if not limited and not space.num_size_codes:
        return None
    sizes = NetworkSizes(task.encoded_shape(data), task.num_outputs, task.dense, config.preset)
    max_flops = config.max_flops if limited else _TIMES_LARGEST * int(sizes.flops(Architectures.of([_LARGEST]))[0])
    limits = SizeLimits(sizes, config.max_params, max_flops, config.widths, config.depths)
    smallest = _smallest(space, limits)
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
