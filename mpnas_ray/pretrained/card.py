"""Cards that say where a meta-learned predictor comes from.

The card is for people, and for the check that keeps results honest: a predictor must not be judged on a data set, or
device, that it was meta-learned on (`refuse_if_seen`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mpnas_ray.errors import PredictorError
from mpnas_ray.meta_learning.gradient import MetaConfig
from mpnas_ray.meta_learning.mixture import MixtureConfig, Source
from mpnas_ray.predictors.cost.predictor import CostConfig, CostPredictor
from mpnas_ray.spaces import SearchSpace, get_space
from mpnas_ray.tables import TableTask, origins

__all__ = ["PredictorCard", "leave_out", "refuse_if_seen"]


@dataclass(frozen=True)
class PredictorCard:
    """Origin of a predictor.

    Attributes:
        name: Name of the checkpoint, e.g. ``mpnas-3``.
        config: Settings of its meta-learning, its shape among them.
        sources: Tasks it learned from, in its own order.
        datasets: All data sets that their values depend on.
        devices: All devices that their values depend on.
        licences: Task -> licence of its table; None where the source states none.
        remembered: Tasks whose measurements it carries with it, cell by cell.
        command: Command that made it.
        quality: Figure -> value, e.g. ``nasbench201/cifar10: Spearman at 5 points, held out``.
    """

    name: str
    config: MetaConfig | MixtureConfig | CostConfig
    sources: tuple[Source, ...]
    datasets: tuple[str, ...]
    devices: tuple[str, ...]
    licences: Mapping[str, str | None]
    remembered: tuple[str, ...] = ()
    command: str = ""
    quality: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        name: str,
        config: MetaConfig | MixtureConfig | CostConfig,
        tasks: Mapping[str, TableTask],
        *,
        remembered: Sequence[str] = (),
        command: str = "",
        quality: Mapping[str, float] | None = None,
    ) -> PredictorCard:
        """Make the card of a predictor that was meta-learned from these tasks."""

        def union(attribute: str) -> tuple[str, ...]:
            return tuple(sorted({value for task in tasks.values() for value in getattr(task, attribute)}))

        return cls(
            name=name,
            config=config,
            sources=tuple(Source(name, task.archs.space.name, task.kind) for name, task in tasks.items()),
            datasets=union("datasets"),
            devices=union("devices"),
            licences={name: task.licence for name, task in tasks.items()},
            remembered=tuple(remembered),
            command=command,
            quality=dict(quality or {}),
        )

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks it learned from."""
        return tuple(source.name for source in self.sources)

    @property
    def spaces(self) -> tuple[str, ...]:
        """Names of the search spaces it learned from."""
        return tuple(sorted({source.space for source in self.sources}))

    def covers(self, space: SearchSpace) -> bool:
        """Tell whether it can rank architectures of a space.

        The mixture describes operations by what they do, so that it covers every space, and a cost predictor begins
        from usual prices where it knows no others; the rest know an operation only if a space they learned from has it,
        and width and depth only if they learned from networks that differ in them.
        """
        if isinstance(self.config, MixtureConfig | CostConfig):
            return True
        learned_from = [get_space(name) for name in self.spaces]
        known = {operation for one in learned_from for operation in one.operations}
        reads_attributes = any(one.has_attributes for one in learned_from)
        return known.issuperset(space.operations) and (reads_attributes or not space.has_attributes)


def leave_out(predictor: CostPredictor, card: PredictorCard, task: TableTask) -> tuple[CostPredictor, PredictorCard]:
    """Take the task's devices out of a cost predictor, so that it may be judged on the task; its card with it.

    What is known of each device stands apart, so that nothing has to be learned again. Figures of the card are of the
    whole predictor, and go.
    """
    left = predictor.leaving_out(task.devices)
    names = {device.name for device in left.devices}
    return left, replace(
        card,
        sources=tuple(source for source in card.sources if source.name in names),
        devices=tuple(sorted({device for known in left.devices for device in known.devices})),
        licences={name: licence for name, licence in card.licences.items() if name in names},
        quality={},
    )


def refuse_if_seen(card: PredictorCard, task: TableTask) -> None:
    """Raise if a predictor has learned from a data set, device or family of devices of a task it is to be judged on.

    Raises:
        PredictorError: Naming what it has seen.
    """
    unseen = origins((*task.datasets, *task.devices))
    seen = sorted(name for name in {*card.datasets, *card.devices} if not unseen.isdisjoint(origins([name])))
    if task.name in card.tasks:
        seen = seen or [task.name]
    if seen:
        raise PredictorError(
            f"The predictor {card.name!r} has learned from {', '.join(seen)}, so it cannot be judged on {task.name}: "
            f"meta-train one with that task held out."
        )
