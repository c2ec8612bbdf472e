"""All settings of meta-learning and of adaptation in one value."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from mpnas_ray.checks import (
    make_plain,
    require_bool,
    require_count,
    require_instance,
    require_number,
    require_one_of,
    require_seed,
)
from mpnas_ray.errors import PredictorError
from mpnas_ray.files.json_records import from_plain
from mpnas_ray.meta_learning.gradient.inner_loop import Algorithm, InnerRates
from mpnas_ray.predictors.neural.gcn import GCNConfig
from mpnas_ray.tables.normalization import Normalization

__all__ = ["Algorithm", "MetaConfig", "Schedule"]

Schedule = Literal["constant", "warmup_cosine"]


_COUNTS = (
    "inner_steps",
    "iterations",
    "tasks_per_batch",
    "archs_per_task",
    "validation_every",
    "validation_episodes",
)


@dataclass(frozen=True)
class MetaConfig:
    """Settings of meta-learning and of adaptation.

    The defaults are ours, made so that one leave-one-out fold takes minutes on a CPU; `paper` has the paper's.

    Attributes:
        algorithm: Parts of the predictor that move in the inner loop: ``boil`` the body, ``anil`` the head, ``maml``
            both; ``pretrain`` has no inner loop in meta-training, and both move on a new task.
        gcn: Shape of the predictor; its dropout acts on query sets of meta-training only. What it says about training
            from scratch is not used.
        inner_rate: Step size of the inner loop during meta-training.
        inner_steps: Number of its steps.
        num_support: Architectures of an episode to adapt to.
        num_query: Architectures of an episode to judge the adapted predictor by.
        first_order: Leave out the second derivatives in the outer gradient.
        outer_rate: Peak learning rate of the outer AdamW.
        weight_decay: Weight decay of the outer AdamW.
        schedule: ``warmup_cosine`` rises for a tenth of the iterations, then falls to 0 along a cosine.
        clip_norm: Longest outer gradient.
        iterations: Outer steps, each on one meta-batch.
        tasks_per_batch: Episodes of a meta-batch, of different tasks; fewer where there are fewer tasks.
        archs_per_task: Larger tasks are thinned to so many random architectures, to bound memory.
        validation_fraction: Part of the canonical classes of each space that is held apart for meta-validation.
        validation_every: Outer steps from one meta-validation, and checkpoint, to the next.
        validation_episodes: Episodes of each task in a meta-validation, always the same ones.
        patience: Stop after so many meta-validations without a better one; None never stops early.
        normalization: Scale of the scores within each support and query set, see `mpnas_ray.tables.normalize`.
        adapt_rate: Step size on a new task, lower than `inner_rate` as more steps are taken. Chosen on TransNAS tasks
            (scene and segmentsemantic held out, 5 and 10 points): 0.03 was better there than 0.02 and 0.01.
        seed: Seed of initial weights, episodes, dropout and folds.

    Raises:
        PredictorError: If a setting is out of its range.
    """

    algorithm: Algorithm = "boil"
    gcn: GCNConfig = field(default_factory=lambda: GCNConfig(width=96, dropout=0.0))
    inner_rate: float = 0.035
    inner_steps: int = 6
    num_support: int = 8
    num_query: int = 56
    first_order: bool = False
    outer_rate: float = 2e-3
    weight_decay: float = 1e-2
    schedule: Schedule = "warmup_cosine"
    clip_norm: float = 5.0
    iterations: int = 1_500
    tasks_per_batch: int = 6
    archs_per_task: int = 20_000
    validation_fraction: float = 0.1
    validation_every: int = 100
    validation_episodes: int = 2
    patience: int | None = 8
    normalization: Normalization = "rank"
    adapt_rate: float = 0.03
    seed: int = 0

    def __post_init__(self) -> None:
        make_plain(self)
        allowed = {"algorithm": Algorithm, "schedule": Schedule, "normalization": Normalization}
        for name, names in allowed.items():
            require_one_of(f"MetaConfig.{name}", getattr(self, name), get_args(names), error=PredictorError)
        require_instance("MetaConfig.gcn", self.gcn, GCNConfig, error=PredictorError)
        for name in ("inner_rate", "outer_rate", "clip_norm"):
            require_number(f"MetaConfig.{name}", getattr(self, name), above=0, error=PredictorError)
        require_number("MetaConfig.weight_decay", self.weight_decay, at_least=0, error=PredictorError)
        for name in _COUNTS:
            require_count(f"MetaConfig.{name}", getattr(self, name), error=PredictorError)
        for name in ("num_support", "num_query"):
            require_count(f"MetaConfig.{name}", getattr(self, name), 2, self.archs_per_task, error=PredictorError)
        require_bool("MetaConfig.first_order", self.first_order, error=PredictorError)
        require_number(
            "MetaConfig.validation_fraction", self.validation_fraction, above=0, below=1, error=PredictorError
        )
        if self.patience is not None:
            require_count("MetaConfig.patience", self.patience, error=PredictorError)
        require_number("MetaConfig.adapt_rate", self.adapt_rate, above=0, at_most=self.inner_rate, error=PredictorError)
        require_seed("MetaConfig.seed", self.seed, error=PredictorError)

    @classmethod
    def paper(cls, algorithm: Algorithm = "boil", seed: int = 0) -> MetaConfig:
        """Return the settings of Table 9 of MP-NAS.

        Inner rate 0.035, 6 steps, outer rate 8e-5, batch 64, 400 epochs, width 600, dropout 0.2.

        The paper defines neither batch nor epoch. We read: a batch is one episode of 64 architectures (8 support and 56
        query); an epoch sees the 7,812 meta-training architectures of each of NAS-Bench-201's six source tasks once,
        that is 122 meta-batches of six episodes; so 48,800 iterations. It names no schedule, weight decay, clipping or
        early stopping: constant rate, none of them (clipping only where it cannot act).
        """
        return cls(
            algorithm=algorithm,
            gcn=GCNConfig.paper(),
            outer_rate=8e-5,
            weight_decay=0.0,
            schedule="constant",
            clip_norm=1e9,
            iterations=400 * (7_812 // 64),
            validation_every=7_812 // 64,
            patience=None,
            seed=seed,
        )

    @property
    def training_steps(self) -> int:
        """Number of steps of the inner loop during meta-training."""
        return 0 if self.algorithm == "pretrain" else self.inner_steps

    @property
    def rates(self) -> InnerRates:
        """Step sizes of the inner loop during meta-training."""
        return InnerRates.of(self.algorithm, self.inner_rate)

    @property
    def adapt_rates(self) -> InnerRates:
        """Step sizes on a new task."""
        return InnerRates.of(self.algorithm, self.adapt_rate)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON; `from_dict` is its inverse."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> MetaConfig:
        """Read the configuration that `to_dict` wrote.

        Raises:
            PredictorError: If a setting is unknown or out of range.
        """
        try:
            if "gcn" not in values:
                raise ValueError("gcn is missing")
            return from_plain(cls, values)
        except ValueError as error:
            raise PredictorError(f"These are not the settings of a MetaConfig of this version: {error}.") from error
