"""What the studies compare: each method learns from source tasks and gives rankers for a target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from cluster.meta_training import meta_learn
from cluster.studies.baselines import MeanRank, ParameterCount, Ranker, same_kind, same_space
from mpnas_ray.meta import MetaConfig, MetaPredictor
from mpnas_ray.mixture import MixtureConfig, MixturePredictor
from mpnas_ray.spaces import Architectures
from mpnas_ray.tables import TableTask

__all__ = [
    "METHODS",
    "FreeRankings",
    "Learned",
    "MetaLearning",
    "Method",
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
class MetaLearning:
    """A meta-learned predictor, under the name of its algorithm.

    The mixture fills two rows: told whether the target is a quality or a cost, and not told.
    """

    label: str
    config: MetaConfig | MixtureConfig
    space: str | None = None
    zero_shot: bool = True

    def settings(self, seed: int) -> dict[str, Any]:
        """The whole configuration."""
        return replace(self.config, seed=seed).to_dict()

    def learn(self, sources: Sources, seed: int, folder: Path, training: str) -> Learned:
        """Meta-train, and keep the predictor."""
        config = replace(self.config, seed=seed)
        learned = meta_learn(
            sources.training, config, folder / "predictor", name=folder.name, unfinished=folder / training
        )
        predictor = learned.predictor

        def rankers(target: TableTask) -> dict[str, Ranker]:
            if isinstance(predictor, MixturePredictor):
                return {
                    self.label: predictor.measuring(target.kind),
                    f"{self.label}, kind not told": predictor.measuring(None),
                }
            return {self.label: predictor}

        return Learned(rankers, learned.seconds)


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
    "mixture": MetaLearning("mixture", MixtureConfig()),
    "boil": MetaLearning("boil", MetaConfig(algorithm="boil")),
    "maml": MetaLearning("maml", MetaConfig(algorithm="maml"), space="nasbench201"),
    "anil": MetaLearning("anil", MetaConfig(algorithm="anil"), space="nasbench201"),
    "pretraining": MetaLearning("pretraining", _PRETRAIN, space="nasbench201"),
    "random": RandomInitialisation(_PRETRAIN, space="nasbench201"),
    "free": FreeRankings(),
}
"""Name of a unit's method -> the method. One method may fill several rows of a page, see `Learned.rankers`."""
