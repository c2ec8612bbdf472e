"""All settings of the mixture predictor in one value."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mpnas_ray.checks import make_plain, require_count, require_instance, require_number, require_seed
from mpnas_ray.errors import PredictorError
from mpnas_ray.files.json_records import from_plain
from mpnas_ray.predictors.neural.gcn import GCNConfig

__all__ = ["MixtureConfig"]

_MOST_PRICE_LISTS = 10_000
"""Most price lists. Each is a mean function with values for all ranked architectures: so many take gigabytes."""


@dataclass(frozen=True)
class MixtureConfig:
    """Settings of the meta-learning of a mixture predictor.

    The constants are ours, none is from a paper.

    Attributes:
        gcn: Shape of the graph network that predicts the source tasks; what it says of training is not used.
        iterations: Steps of its training.
        batch_size: Architectures of a step, drawn in proportion to the number of tasks that measured them.
        learning_rate: Peak of its one-cycle schedule.
        weight_decay: Weight decay of its AdamW.
        archs_per_task: Larger tasks are thinned to so many random architectures, to bound memory and their weight.
        num_price_lists: Random lists of operation prices, each the mean function of a task that measures a cost.
        price_spread: Standard deviation of log prices around their usual ratios.
        prior_iterations: Steps of learning the prior.
        prior_rate: Step size of its Adam.
        shrinkage: Strength with which the prior is held to where it starts.
        source_dropout: Part of the sources left out of every second group of episodes, as a new task may be like none.
        seed: Seed of initial weights, batches, prices and episodes.

    Raises:
        PredictorError: If a setting is out of its range.
    """

    gcn: GCNConfig = field(default_factory=lambda: GCNConfig(width=96, dropout=0.05))
    iterations: int = 1_200
    batch_size: int = 256
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    archs_per_task: int = 10_000
    num_price_lists: int = 64
    price_spread: float = 0.8
    prior_iterations: int = 80
    prior_rate: float = 0.08
    shrinkage: float = 1e-3
    source_dropout: float = 0.4
    seed: int = 0

    def __post_init__(self) -> None:
        make_plain(self)
        require_instance("MixtureConfig.gcn", self.gcn, GCNConfig, error=PredictorError)
        for name in ("iterations", "batch_size", "archs_per_task"):
            require_count(f"MixtureConfig.{name}", getattr(self, name), error=PredictorError)
        require_count("MixtureConfig.num_price_lists", self.num_price_lists, 1, _MOST_PRICE_LISTS, error=PredictorError)
        require_count("MixtureConfig.prior_iterations", self.prior_iterations, 0, error=PredictorError)
        for name in ("learning_rate", "prior_rate"):
            require_number(f"MixtureConfig.{name}", getattr(self, name), above=0, error=PredictorError)
        for name in ("weight_decay", "price_spread", "shrinkage"):
            require_number(f"MixtureConfig.{name}", getattr(self, name), at_least=0, error=PredictorError)
        require_number("MixtureConfig.source_dropout", self.source_dropout, at_least=0, below=1, error=PredictorError)
        require_seed("MixtureConfig.seed", self.seed, error=PredictorError)

    @property
    def algorithm(self) -> str:
        """``mixture``; beside the algorithms of `mpnas_ray.meta_learning.gradient.MetaConfig`."""
        return "mixture"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON; `from_dict` is its inverse."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> MixtureConfig:
        """Read the configuration that `to_dict` wrote.

        Raises:
            PredictorError: If a setting is unknown or out of range.
        """
        try:
            if "gcn" not in values:
                raise ValueError("gcn is missing")
            return from_plain(cls, values)
        except ValueError as error:
            raise PredictorError(f"These are not the settings of a MixtureConfig of this version: {error}.") from error
