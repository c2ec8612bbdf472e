"""Methods that can be compared, with what each may know beforehand."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cluster.experiments.comparison.presets import CIFAR_FAMILY, sources_of_space
from mpnas_ray.catalogue import make_predictor
from mpnas_ray.errors import PredictorError
from mpnas_ray.meta_learning.mixture import MixturePredictor
from mpnas_ray.pretrained import load_checkpoint, refuse_if_seen
from mpnas_ray.tables import TableTask, leaves_out
from searchers import ArchitectureSearcher
from searchers.registry import ALL_SEARCHERS, SearcherEntry

__all__ = ["METHODS", "OURS", "Method", "make_searcher", "sources_of", "takes_part"]


@dataclass(frozen=True)
class Method:
    """A searcher as it takes part.

    Attributes:
        name: Name in tables and for ``--searcher``: that of its searcher in `searchers.registry`, with ``, far`` where
            ``far`` is set; or that of its family.
        arguments: Arguments of its searcher beside space, seed and ``allow_isomorphic=True``.
        family: Name of the predictor that it is given, of `mpnas_ray.predictors.PREDICTORS`; None if it has its own.
        knows: Knowledge of other tasks of the space: nothing, a predictor meta-learned from them, or their tables.
        far: True if the sources leave out the whole CIFAR family; it then takes part on this family alone.
        seeded: True if its seed changes anything; else one replication is enough.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    family: str | None = None
    knows: Literal["nothing", "predictor", "tables"] = "nothing"
    far: bool = False
    seeded: bool = True

    @property
    def searcher(self) -> SearcherEntry:
        """The entry of its searcher in the registry."""
        return ALL_SEARCHERS["predictor" if self.family is not None else self.name.removesuffix(", far")]

    @property
    def transfers(self) -> bool:
        """Say whether it uses other tasks."""
        return self.knows != "nothing"


_MPNAS: dict[str, Any] = {"refit_every": 1}
_PROCESS: dict[str, Any] = {"acquisition": "ei", "refit_every": 1, "num_random": 5}
"""Arguments of `GaussianProcessSearch`, so that only the kernels differ."""

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("mpnas", _MPNAS, knows="predictor"),
        Method("mpnas, far", _MPNAS, knows="predictor", far=True),
        Method("scratch"),
        Method("gp"),
        Method("gp-wl", _PROCESS, "gp-wl"),
        Method("gp-graf", _PROCESS, "gp-graf"),
        Method("bananas"),
        Method("gbt-thompson"),
        Method("tpe"),
        Method("optuna-gp"),
        Method("evolution"),
        Method("local-search"),
        Method("reinforce"),
        Method("random"),
        Method("mean-rank", knows="tables", seeded=False),
        Method("mean-rank, far", knows="tables", far=True, seeded=False),
        Method("nearest-task", knows="tables"),
        Method("nearest-task, far", knows="tables", far=True),
        Method("quantile-transfer", knows="tables"),
        Method("quantile-transfer, far", knows="tables", far=True),
        Method("rush", knows="tables"),
        Method("rush, far", knows="tables", far=True),
    )
}
"""All methods, in the order of tables."""

OURS = ("mpnas", "mpnas, far")
"""The methods that are set against all others."""


def sources_of(
    method: Method,
    target: TableTask,
    tasks: Mapping[str, TableTask],
    known: Collection[str] | None = None,
) -> dict[str, TableTask]:
    """Select the tasks that a method may know when it searches a target.

    They are tasks of the target's space that share neither a data set nor a device, nor a family of devices, with it,
    nor, for one from far away, with the CIFAR family. A method that knows tables takes those of the target's kind, if
    there are any: a ranking by latency says little of accuracy.

    Args:
        method: The method.
        target: The searched task.
        tasks: Name -> task, at least all that may be known.
        known: Names of the tasks that may be known, such as `presets.Column.sources`; `presets.sources_of_space` of the
            target's space if None.

    Returns:
        Name -> task; empty if the method uses none, or there is none.
    """
    if not method.transfers:
        return {}
    names = sources_of_space(target.archs.space.name) if known is None else known
    others = {name: tasks[name] for name in names}
    family = [name for name, task in others.items() if not set(CIFAR_FAMILY).isdisjoint(task.datasets)]
    held_out = family if method.far else []
    found = leaves_out({**others, target.name: target}, [target.name, *held_out])
    if method.knows == "tables":
        found = {name: task for name, task in found.items() if task.kind == target.kind} or found
    return found


def takes_part(
    method: Method,
    target: TableTask,
    tasks: Mapping[str, TableTask],
    known: Collection[str] | None = None,
) -> bool:
    """Say whether a method has what it takes for a target, and is meant for it."""
    if method.far and set(CIFAR_FAMILY).isdisjoint(target.datasets):
        return False
    return not method.transfers or bool(sources_of(method, target, tasks, known))


def make_searcher(
    method: Method,
    target: TableTask,
    sources: Mapping[str, TableTask],
    checkpoint: Path | None,
    seed: int,
) -> ArchitectureSearcher:
    """Make the searcher of one replication.

    Args:
        method: The method.
        target: The searched task.
        sources: Tasks that `sources_of` returned.
        checkpoint: The predictor that was meta-learned from these sources, for a method that uses one.
        seed: Seed of the replication.

    Raises:
        PredictorError: If the checkpoint is missing, damaged, no mixture, or has seen the target.
    """
    arguments: dict[str, Any] = {**method.arguments, "seed": seed, "allow_isomorphic": True}
    if method.family is not None:
        arguments["predictor"] = make_predictor(method.family, seed)
    elif method.knows == "tables":
        arguments["sources"] = sources
    elif checkpoint is not None:
        predictor, card = load_checkpoint(checkpoint)
        refuse_if_seen(card, target)
        if not isinstance(predictor, MixturePredictor):
            raise PredictorError(f"{checkpoint} is of the algorithm {card.config.algorithm}, not a mixture.")
        arguments["predictor"] = predictor
    return method.searcher(target.archs.space, **arguments)
