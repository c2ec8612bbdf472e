"""What proposes architectures and what stops trainings, as a run's settings name them."""

from __future__ import annotations

from typing import Any

from ray.tune.schedulers import TrialScheduler

from cluster.run.settings import RunSettings
from searchers import ArchitectureSearcher
from searchers.core.zero_cost import Score
from searchers.registry import BY_SCORE, SEARCHERS
from searchers.schedulers.registry import SCHEDULERS
from trainables import Task
from trainables.networks.limits import SizeLimits

__all__ = ["make_scheduler", "make_searcher"]


def make_searcher(
    settings: RunSettings, task: Task, limits: SizeLimits | None, score: Score | None
) -> ArchitectureSearcher:
    """A searcher that has seen nothing.

    Args:
        settings: Of the run.
        task: Of the run, whose metric it searches for.
        limits: Which architectures it may propose; None for all.
        score: Of `cluster.run.zero_cost`; None for none.
    """
    knows: dict[str, Any] = {}
    if settings.searcher == "predictor":
        from mpnas_ray.catalogue import make_predictor

        knows["predictor"] = make_predictor(settings.predictor, settings.seed)
    elif settings.predictor != "default":
        knows["predictor"] = settings.predictor
    if settings.searcher == "mpnas":
        knows["measures"] = "quality"
    if score is not None:
        knows["score" if settings.searcher in BY_SCORE else "prior_score"] = score
    return SEARCHERS[settings.searcher](
        settings.space, task.metric_key, task.metric.mode, seed=settings.seed, constraint=limits, **knows
    )


def make_scheduler(settings: RunSettings, task: Task) -> TrialScheduler | None:
    """Make the scheduler of a run; None for one that completes all trainings."""
    if settings.scheduler is None:
        return None
    return SCHEDULERS[settings.scheduler](settings.epochs, task.family or task.name, settings.seed)
