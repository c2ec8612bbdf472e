"""The settings that all searchers of architectures share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from searchers.core.candidates import Constraint
from searchers.core.hyperparameters.space import SamplerFactory
from searchers.core.starting_points import Evaluated

__all__ = ["SearcherSettings"]


class SearcherSettings(TypedDict, total=False):
    """Keyword arguments of every searcher; `searchers.MPNASSearch` says what they mean."""

    points_to_evaluate: Sequence[str | Mapping[str, Any]] | None
    evaluated_rewards: Sequence[float] | None
    evaluated: Evaluated | None
    seed: int | None
    max_concurrent: int | None
    constraint: Constraint | None
    twins: bool
    hyperparameter_sampler: SamplerFactory
