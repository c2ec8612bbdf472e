"""Make the searcher that the config of a run names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cluster.run.assemble.supernet_score import ONE_SHOT, chosen_cells
from cluster.run.config import SearchConfig
from mpnas_ray.catalogue import make_predictor
from mpnas_ray.spaces import Architectures, get_space
from searchers import ArchitectureSearcher
from searchers.core.candidates import Constraint
from searchers.core.zero_cost import Score
from searchers.model_based.objectives.costs import CostOf, WithinLimits
from searchers.registry import BY_SCORE, SEARCHERS
from trainables import Task
from trainables.networks.limits import SizeLimits

__all__ = ["make_searcher"]


def make_searcher(
    config: SearchConfig,
    task: Task,
    limits: SizeLimits | None,
    score: Score | None,
    known: Mapping[str, CostOf] | None = None,
) -> ArchitectureSearcher:
    """Make a searcher that has seen nothing.

    Args:
        config: Config of the run.
        task: Task of the run, whose metric it searches for.
        limits: Constraint on the architectures that it may propose; None for all.
        score: Score of `cluster.run.assemble.zero_cost`; None for none.
        known: Functions of the costs that are known beforehand, of `cluster.run.assemble.costs`.
    """
    knows: dict[str, Any] = {}
    constraint: Constraint | None = limits
    if config.searcher == "predictor":
        knows["predictor"] = make_predictor(str(config.predictor), config.seed)
    elif config.predictor != "default":
        knows["predictor"] = config.predictor
    if config.searcher == "mpnas":
        knows["measures"] = "quality"
    if config.cost_names:
        functions = known or {}
        knows["costs"] = {name: functions.get(name) for name in config.minimize}
        at_once = {name: most for name, most in (config.max_costs or {}).items() if name in functions}
        knows["limits"] = {name: most for name, most in (config.max_costs or {}).items() if name not in at_once}
        if at_once:
            constraint = WithinLimits(at_once, functions, limits)
    if config.searcher == ONE_SHOT:
        cells = Architectures.of(chosen_cells(config), get_space(config.space))
        allowed = np.ones(len(cells), dtype=bool) if constraint is None else np.asarray(constraint(cells), dtype=bool)
        knows["points_to_evaluate"] = [str(arch) for arch in cells[allowed]]
    if score is not None:
        knows["score" if config.searcher in BY_SCORE else "prior_score"] = score
    return SEARCHERS[config.searcher](
        config.space, task.metric_key, task.metric.mode, seed=config.seed, constraint=constraint, **knows
    )
