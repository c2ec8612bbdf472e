"""Name the folds of the studies: tasks to learn from, and tasks to judge on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mpnas_ray.tables import TableTask, leaves_out

__all__ = [
    "ACROSS_SPACES",
    "FROM_NASBENCH201",
    "FROM_TRANSNASBENCH101",
    "LEAVE_ONE_OUT",
    "NASBENCH101",
    "NASBENCH201",
    "NATSBENCH_SIZE",
    "SINGLE_SOURCE",
    "STRICT_ACROSS_SPACES",
    "TASKS",
    "TRANSNASBENCH101",
    "TRANSNASBENCH101_MACRO",
    "Fold",
]

NASBENCH201: tuple[str, ...] = tuple(
    f"nasbench201/{task}"
    for task in ("cifar10", "cifar100", "imagenet16-120", "ninapro", "darcy", "cpu-latency", "gpu-latency")
)
TRANSNASBENCH101: tuple[str, ...] = tuple(
    f"transnasbench101/{task}"
    for task in ("scene", "object", "jigsaw", "room", "segmentsemantic", "normal", "autoencoder")
)
NATSBENCH_SIZE: tuple[str, ...] = tuple(f"natsbench-size/{task}" for task in ("cifar10", "cifar100", "imagenet16-120"))
TRANSNASBENCH101_MACRO: tuple[str, ...] = tuple(
    name.replace("transnasbench101/", "transnasbench101-macro/") for name in TRANSNASBENCH101
)
NASBENCH101 = "nasbench101/cifar10"
TASKS: tuple[str, ...] = (*NASBENCH201, *TRANSNASBENCH101, NASBENCH101)
"""The tasks of all studies, all of cells. Others in a folder of tables are not learned from: sources are fixed."""


@dataclass(frozen=True)
class Fold:
    """Tasks to judge a predictor on, and the tasks that it may learn from.

    Attributes:
        name: Short name of the fold, part of file names.
        targets: Tasks to judge on.
        candidates: Tasks to learn from, minus all that share a data set or a device with a target.
        may_share: Targets whose data set or device may be learned from in another space, as in the paper.
    """

    name: str
    targets: tuple[str, ...]
    candidates: tuple[str, ...] = TASKS
    may_share: tuple[str, ...] = ()

    @property
    def held_out(self) -> tuple[str, ...]:
        """Targets of whose data sets and devices nothing is learned."""
        return tuple(target for target in self.targets if target not in self.may_share)

    def sources(self, tasks: Mapping[str, TableTask]) -> dict[str, TableTask]:
        """Select the tasks to learn from.

        Raises:
            TableError: If a held-out task is not among ``tasks``.
        """
        allowed = leaves_out(tasks, self.held_out)
        return {name: task for name, task in allowed.items() if name in self.candidates and name not in self.targets}


def _short(task: str) -> str:
    return task.partition("/")[2]


LEAVE_ONE_OUT: tuple[Fold, ...] = tuple(
    Fold(_short(first), (first, second)) for first, second in zip(NASBENCH201, TRANSNASBENCH101, strict=True)
)
"""Folds that hold out one task of each space: stricter than one task alone, as fewer sources are left, and half the
work."""


def _from_each(tasks: tuple[str, ...]) -> tuple[Fold, ...]:
    return tuple(
        Fold(f"from-{_short(source)}", tuple(task for task in tasks if task != source), (source,)) for source in tasks
    )


FROM_NASBENCH201 = _from_each(NASBENCH201)
FROM_TRANSNASBENCH101 = _from_each(TRANSNASBENCH101)
SINGLE_SOURCE: tuple[Fold, ...] = (*FROM_NASBENCH201, *FROM_TRANSNASBENCH101)
"""Folds with one source, judged on the other tasks of its space."""

ACROSS_SPACES = Fold("nasbench201", (*TRANSNASBENCH101, NASBENCH101), NASBENCH201, may_share=(NASBENCH101,))
"""Folds from NAS-Bench-201 alone to other spaces; its CIFAR-10 stays among the sources, as in the paper."""

STRICT_ACROSS_SPACES = Fold("nasbench201-strict", (NASBENCH101,), NASBENCH201)
"""The folds of `ACROSS_SPACES`, with nothing learned from CIFAR-10 in any space."""
