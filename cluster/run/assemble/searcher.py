"""Make the searcher that the config of a run names."""

from __future__ import annotations

from typing import Any

from cluster.run.config import SearchConfig
from mpnas_ray.catalogue import make_predictor
from searchers import ArchitectureSearcher
from searchers.core.zero_cost import Score
from searchers.registry import BY_SCORE, SEARCHERS
from trainables import Task
from trainables.networks.limits import SizeLimits

__all__ = ["make_searcher"]


def make_searcher(
    config: SearchConfig, task: Task, limits: SizeLimits | None, score: Score | None
) -> ArchitectureSearcher:
    """Make a searcher that has seen nothing.

    Args:
        config: Config of the run.
        task: Task of the run, whose metric it searches for.
        limits: Constraint on the architectures that it may propose; None for all.
        score: Score of `cluster.run.assemble.zero_cost`; None for none.
    """
    knows: dict[str, Any] = {}
    if config.searcher == "predictor":
        knows["predictor"] = make_predictor(str(config.predictor), config.seed)
    elif config.predictor != "default":
        knows["predictor"] = config.predictor
    if config.searcher == "mpnas":
        knows["measures"] = "quality"
    if score is not None:
        knows["score" if config.searcher in BY_SCORE else "prior_score"] = score
    return SEARCHERS[config.searcher](
        config.space, task.metric_key, task.metric.mode, seed=config.seed, constraint=limits, **knows
    )
