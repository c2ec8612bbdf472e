"""What proposes architectures and what stops trainings, as a run's settings name them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ray.tune.schedulers import ASHAScheduler, HyperBandScheduler, MedianStoppingRule, TrialScheduler

from cluster.run.settings import RunSettings
from mpnas_ray.curves import bundled_network
from searchers import ArchitectureSearcher
from searchers.core.zero_cost import Score
from searchers.registry import BY_SCORE, SEARCHERS
from searchers.schedulers.lcranknet import LCRankNetScheduler
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
    """With about two looks at a training before its end; Tune gives it metric and mode."""
    first_look = max(1, round(settings.epochs / 9))
    make: dict[str | None, Callable[[], TrialScheduler | None]] = {
        None: lambda: None,
        "asha": partial(ASHAScheduler, max_t=settings.epochs, grace_period=first_look, reduction_factor=3),
        "hyperband": partial(HyperBandScheduler, max_t=settings.epochs, reduction_factor=3),
        "median": partial(
            MedianStoppingRule,
            time_attr="training_iteration",  # Tune's default counts seconds
            grace_period=max(1, settings.epochs // 3),
            min_samples_required=3,
        ),
        "lcranknet": lambda: LCRankNetScheduler(  # as it was measured: its first look is after one epoch
            settings.epochs, network=bundled_network(task.family or task.name), seed=settings.seed
        ),
    }
    return make[settings.scheduler]()
