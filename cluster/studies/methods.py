"""What the studies compare: each method learns from source tasks and gives rankers for a target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from cluster.studies.baselines import MeanRank, ParameterCount, Ranker, same_kind, same_space
from mpnas_ray.checkpoints import PredictorCard, save_checkpoint
from mpnas_ray.meta import MetaConfig, MetaPredictor, meta_train
from mpnas_ray.mixture import MixtureConfig, meta_train_mixture
from mpnas_ray.spaces import Architectures
from mpnas_ray.tables import TableTask

__all__ = [
    "METHODS",
    "FreeRankings",
    "Learned",
    "MetaLearned",
    "Method",
    "Mixture",
    "RandomInitialisation",
    "Sources",
]


@dataclass(frozen=True)
class Sources:
    """What may be learned from.

    Attributes:
        training: Source tasks on the architectures to meta-train on.
        whole: The same tasks whole: what is known of test architectures on source tasks.
    """

    training: Mapping[str, TableTask]
    whole: Mapping[str, TableTask]


@dataclass(frozen=True)
class Learned:
    """What a method made of the sources.

    Attributes:
        rankers: For a target, the rows of a page that this method fills, by label.
        seconds: Spent on learning; over all interruptions, if the method keeps count, else since the last.
    """

    rankers: Callable[[TableTask], Mapping[str, Ranker]]
    seconds: float


class Method(Protocol):
    """A way to learn a ranking from source tasks."""

    @property
    def space(self) -> str | None:
        """The search space whose targets it is judged on; None for all."""
        ...

    @property
    def zero_shot(self) -> bool:
        """Whether its ranking without fine-tuning means anything."""
        ...

    def settings(self, seed: int) -> dict[str, Any]:
        """All that its results depend on, for JSON."""
        ...

    def learn(self, sources: Sources, seed: int, folder: Path, training: str) -> Learned:
        """Learn from the sources.

        Args:
            sources: What may be learned from.
            seed: Of all that is random in it.
            folder: Where to put ``predictor.*``, if there is one to keep.
            training: Name of a file there to go on from after an interruption.
        """
        ...


@dataclass(frozen=True)
class MetaLearned:
    """`mpnas_ray.meta` with one of its algorithms."""

    label: str
    config: MetaConfig
    space: str | None = None
    zero_shot: bool = True

    def settings(self, seed: int) -> dict[str, Any]:
        """The whole configuration."""
        return replace(self.config, seed=seed).to_dict()

    def learn(self, sources: Sources, seed: int, folder: Path, training: str) -> Learned:
        """Meta-train, and keep the predictor."""
        config = replace(self.config, seed=seed)
        result = meta_train(sources.training, config, checkpoint=folder / training)
        predictor = MetaPredictor(config, result.parameters)
        best = max(validation.spearman for validation in result.validations)
        card = PredictorCard.of(folder.name, config, sources.training, quality={"Spearman in meta-validation": best})
        save_checkpoint(folder / "predictor", predictor, card)
        return Learned(lambda _: {self.label: predictor}, result.seconds)


@dataclass(frozen=True)
class Mixture:
    """`mpnas_ray.mixture`, once told whether the target is a quality or a cost, and once not told."""

    config: MixtureConfig = field(default_factory=MixtureConfig)
    space: str | None = None
    zero_shot: bool = True

    def settings(self, seed: int) -> dict[str, Any]:
        """The whole configuration."""
        return replace(self.config, seed=seed).to_dict()

    def learn(self, sources: Sources, seed: int, folder: Path, training: str) -> Learned:
        """Meta-train, and keep the predictor."""
        config = replace(self.config, seed=seed)
        result = meta_train_mixture(sources.training, config, checkpoint=folder / training)
        predictor = result.predictor
        quality = {f"{name}: Spearman given 5 points, in meta-validation": r for name, r in result.validation.items()}
        card = PredictorCard.of(folder.name, config, sources.training, quality=quality)
        save_checkpoint(folder / "predictor", predictor, card)
        return Learned(
            lambda target: {
                "mixture": predictor.measuring(target.kind),
                "mixture, kind not told": predictor.measuring(None),
            },
            result.seconds,
        )


@dataclass(frozen=True)
class RandomInitialisation:
    """Nothing learned: each fine-tuning starts from new random weights."""

    config: MetaConfig
    space: str | None = None
    zero_shot: bool = False

    def settings(self, seed: int) -> dict[str, Any]:
        """The whole configuration; its seed is combined with the fine-tuning models."""
        return replace(self.config, seed=seed).to_dict()

    def learn(self, sources: Sources, seed: int, folder: Path, training: str) -> Learned:
        """Nothing."""
        return Learned(lambda _: {"random": _FromScratch(replace(self.config, seed=seed))}, 0.0)


@dataclass(frozen=True)
class _FromScratch:
    config: MetaConfig

    def predict(self, archs: Architectures) -> NDArray[np.float64]:
        return MetaPredictor(self.config).predict(archs)

    def adapt(self, archs: Architectures, scores: NDArray[np.float64]) -> MetaPredictor:
        """Fine-tune weights of a seed of their own, so that the spread over draws holds that of initial weights too."""
        seed = crc32(archs.codes.tobytes(), self.config.seed)
        return MetaPredictor(replace(self.config, seed=seed)).adapt(archs, scores)


@dataclass(frozen=True)
class FreeRankings:
    """Rankings that need neither training nor points; mean ranks only where the target's space is among the sources."""

    space: str | None = None
    zero_shot: bool = True

    def settings(self, seed: int) -> dict[str, Any]:
        """There are none."""
        return {}

    def learn(self, sources: Sources, seed: int, folder: Path, training: str) -> Learned:
        """Nothing."""

        def rankers(target: TableTask) -> dict[str, Ranker]:
            known = same_space(target, sources.whole.values())
            alike = same_kind(target, known)
            found: dict[str, Ranker] = {"parameters": ParameterCount()}
            if known:
                found["mean-rank"] = MeanRank(known)
            if alike:
                found["mean-rank, same kind"] = MeanRank(alike)
            return found

        return Learned(rankers, 0.0)


_PRETRAIN = MetaConfig(algorithm="pretrain")

METHODS: dict[str, Method] = {
    "mixture": Mixture(),
    "boil": MetaLearned("boil", MetaConfig(algorithm="boil")),
    "maml": MetaLearned("maml", MetaConfig(algorithm="maml"), space="nasbench201"),
    "anil": MetaLearned("anil", MetaConfig(algorithm="anil"), space="nasbench201"),
    "pretraining": MetaLearned("pretraining", _PRETRAIN, space="nasbench201"),
    "random": RandomInitialisation(_PRETRAIN, space="nasbench201"),
    "free": FreeRankings(),
}
"""Name of a unit's method -> the method. One method may fill several rows of a page, see `Learned.rankers`."""
