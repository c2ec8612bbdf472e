"""Methods that the studies compare: each learns from source tasks and gives rankers for a target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from cluster.artifacts.meta_training import meta_learn
from cluster.experiments.protocol.free_rankings import MeanRank, ParameterCount, Ranker, same_kind, same_space
from cluster.experiments.studies.ranking.fine_tuning import FineTuning, FromScratch, Tuned, as_measured
from mpnas_ray.meta_learning.gradient import MetaConfig, MetaPredictor
from mpnas_ray.meta_learning.mixture import MixtureConfig, MixturePredictor
from mpnas_ray.predictors import GCNConfig
from mpnas_ray.tables import TableTask

__all__ = [
    "METHODS",
    "FreeRankings",
    "GradientLearning",
    "Learned",
    "Method",
    "MixtureLearning",
    "RandomInitialisation",
    "Sources",
]


@dataclass(frozen=True)
class Sources:
    """Tasks that may be learned from.

    Attributes:
        training: Source tasks on the architectures to meta-train on.
        whole: The same tasks whole: what is known of test architectures on source tasks.
    """

    training: Mapping[str, TableTask]
    whole: Mapping[str, TableTask]


@dataclass(frozen=True)
class Learned:
    """The outcome of learning from the sources.

    Attributes:
        rankers: Function of a target that returns the rows of a page that this method fills, by label.
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
        """Say whether its ranking without fine-tuning means anything."""
        ...

    def settings(self, seed: int) -> dict[str, Any]:
        """Return all that its results depend on, for JSON."""
        ...

    def learn(self, sources: Sources, seed: int, folder: Path, training: str) -> Learned:
        """Learn from the sources.

        Args:
            sources: Tasks that may be learned from.
            seed: Seed of all that is random in it.
            folder: Folder for ``predictor.*``, if there is one to keep.
            training: Name of a file there to go on from after an interruption.
        """
        ...


@dataclass(frozen=True)
class MixtureLearning:
    """Our default, which fills two rows: told whether the target is a quality or a cost, and not told."""

    config: MixtureConfig
    space: str | None = None
    zero_shot: bool = True

    def settings(self, seed: int) -> dict[str, Any]:
        """Return the whole configuration."""
        return replace(self.config, seed=seed).to_dict()

    def learn(self, sources: Sources, seed: int, folder: Path, training: str) -> Learned:
        """Meta-train, and keep the predictor."""
        config = replace(self.config, seed=seed)
        learned = meta_learn(sources.training, config, folder / "predictor", unfinished=folder / training)
        predictor = learned.predictor
        assert isinstance(predictor, MixturePredictor)
        return Learned(
            lambda target: {
                "mixture": predictor.measuring(target.kind),
                "mixture, kind not told": predictor.measuring(None),
            },
            learned.seconds,
        )


@dataclass(frozen=True)
class GradientLearning:
    """A network learned by gradient from all sources, costs as they were measured, and told a target's kind.

    Attributes:
        label: Row of the method.
        config: Settings of the learning.
        fine_tuning: Settings of the fine-tuning, see `cluster.experiments.studies.ranking.fine_tuning`.
        space: See `Method`.
        zero_shot: See `Method`.
    """

    label: str
    config: MetaConfig
    fine_tuning: FineTuning
    space: str | None = None
    zero_shot: bool = True

    def settings(self, seed: int) -> dict[str, Any]:
        """Return the whole configuration, and how it is used."""
        config = replace(self.config, seed=seed).to_dict()
        return {**config, "costs": "as measured", "fine_tuning": asdict(self.fine_tuning)}

    def learn(self, sources: Sources, seed: int, folder: Path, training: str) -> Learned:
        """Meta-train, or pre-train, and keep the predictor."""
        learned = meta_learn(
            {name: as_measured(task) for name, task in sources.training.items()},
            replace(self.config, seed=seed),
            folder / "predictor",
            unfinished=folder / training,
        )
        predictor = learned.predictor
        assert isinstance(predictor, MetaPredictor)
        return Learned(
            lambda target: {self.label: Tuned(predictor, self.fine_tuning, target.kind == "cost")}, learned.seconds
        )


@dataclass(frozen=True)
class RandomInitialisation:
    """Nothing learned from other tasks: a graph network trained on the fine-tuning models alone.

    Attributes:
        configs: Target's search space -> how it is trained there.
        space: See `Method`.
        zero_shot: See `Method`.
    """

    configs: Mapping[str, GCNConfig]
    space: str | None = None
    zero_shot: bool = False

    def settings(self, seed: int) -> dict[str, Any]:
        """Return the whole configuration; the seed is combined with the fine-tuning models."""
        return {
            "trained": "from scratch",
            "seed": seed,
            "configs": {space: asdict(config) for space, config in self.configs.items()},
        }

    def learn(self, sources: Sources, seed: int, folder: Path, training: str) -> Learned:
        """Learn nothing."""
        return Learned(lambda target: {"random": FromScratch(self.configs[target.archs.space.name], seed)}, 0.0)


@dataclass(frozen=True)
class FreeRankings:
    """Rankings that need neither training nor points; mean ranks only where the target's space is among the sources."""

    space: str | None = None
    zero_shot: bool = True

    def settings(self, seed: int) -> dict[str, Any]:
        """Return nothing: there are no settings."""
        return {}

    def learn(self, sources: Sources, seed: int, folder: Path, training: str) -> Learned:
        """Learn nothing."""

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


_FINE_TUNING = FineTuning(rate=0.01, num_steps=50)
"""Fine-tuning of all gradient learners. It was chosen for networks learned from one task and fine-tuned on five models
of another of the same space, from rates of 0.01 and 0.03 and 5, 20, 50 and 100 steps, by the mean Spearman
correlation. Over eight such pairs of TransNAS-Bench-101 it is best (.72, with 20 steps too; .69 at 0.03; .70 by 100
epochs of AdamW at 1e-3), over nine of NAS-Bench-201 .003 below the best (.53, with 100 steps; .51 at 0.03 and 0.003).

BOIL, MAML, ANIL and pre-training on all sources take the same. For BOIL that was checked on two left-out tasks of
TransNAS-Bench-101, scene and surface normals, ten draws of five models and four of 25, judged on 500 architectures,
rates of 0.003, 0.01, 0.03 and 0.1 and 5 to 100 steps: with five models they have .84 and .83, .02 below the best (0.003
and 5 to 50 steps), with 25 as much as any.
"""

_CHOSEN_ON_TRANSNASBENCH101 = GCNConfig(learning_rate=1e-3)
_CHOSEN_ON_NASBENCH201 = GCNConfig(learning_rate=3e-3)
_FROM_SCRATCH = {
    "nasbench201": _CHOSEN_ON_TRANSNASBENCH101,
    "transnasbench101": _CHOSEN_ON_NASBENCH201,
    "nasbench101": _CHOSEN_ON_NASBENCH201,
}
"""Training of `random` on the targets of each space, chosen on another space from learning rates of 1e-3, 3e-3 and
1e-2 by the mean Spearman correlation over its seven tasks, five models each. On TransNAS-Bench-101 they reach .42, .38
and .35 (four draws, 150 epochs; 50 and 400 epochs are no better), on NAS-Bench-201 .50, .51 and .48 (three draws)."""

_PRETRAINING = MetaConfig(algorithm="pretrain")

METHODS: dict[str, Method] = {
    "mixture": MixtureLearning(MixtureConfig()),
    "boil": GradientLearning("boil", MetaConfig(algorithm="boil"), _FINE_TUNING),
    "maml": GradientLearning("maml", MetaConfig(algorithm="maml"), _FINE_TUNING, space="nasbench201"),
    "anil": GradientLearning("anil", MetaConfig(algorithm="anil"), _FINE_TUNING, space="nasbench201"),
    "pretraining": GradientLearning("pretraining", _PRETRAINING, _FINE_TUNING, space="nasbench201"),
    "transfer": GradientLearning("transfer", _PRETRAINING, _FINE_TUNING),
    "random": RandomInitialisation(_FROM_SCRATCH),
    "free": FreeRankings(),
}
"""Name of a unit's method -> the method. One method may fill several rows of a page, see `Learned.rankers`."""
