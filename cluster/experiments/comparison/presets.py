"""Presets of comparisons: columns of tables, and how long a search may be."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cluster.experiments.comparison.split import BLIND, CONFIRMATION, DESIGN, DEVICES, ROLES, Role
from cluster.experiments.protocol.folds import (
    NASBENCH201,
    NATSBENCH_SIZE,
    TRANSNASBENCH101,
    TRANSNASBENCH101_MACRO,
)
from cluster.experiments.protocol.published import MP_NAS, published
from mpnas_ray.errors import RunError
from mpnas_ray.names import no_such

__all__ = ["CIFAR_FAMILY", "PRESETS", "Column", "Preset", "get_preset", "sources_of_space"]

CIFAR_FAMILY = ("cifar10", "cifar100", "imagenet16-120")
"""Data sets so alike that to know one is nearly to know the others."""


@dataclass(frozen=True)
class Column:
    """A column of a table to search, and the one to report.

    Attributes:
        searched: Task whose scores the searcher is told, and by which its incumbent is chosen.
        reported: Task whose value of the incumbent is reported; the same, or the test column of a validation column.
        paper: The value that MP-NAS reports for itself (Table 5), in the table's unit.
        meta_d2a: The value that it reports for MetaD2A there.
        all_devices: True if a method may also know the latencies of all devices, but for those of its family.
    """

    searched: str
    reported: str
    paper: float | None = None
    meta_d2a: float | None = None
    all_devices: bool = False

    @classmethod
    def of(cls, task: str) -> Column:
        """Return a column that is searched and reported alike."""
        return cls(task, task)

    @property
    def sources(self) -> tuple[str, ...]:
        """The tasks that a method may know, less those that share data or a device with the searched one."""
        return sources_of_space(self.searched.partition("/")[0], all_devices=self.all_devices)

    @property
    def role(self) -> Role | None:
        """The purpose of the column (`split`); None if it has no part in the split."""
        return ROLES.get(self.searched)


@dataclass(frozen=True)
class Preset:
    """A comparison as it is published.

    Attributes:
        name: Name for the command, and of its files.
        title: Title of its page.
        columns: Columns to search.
        budget: Queries of a run.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    budget: int


def _of_table_5(searched: str, reported: str) -> Column:
    ours, theirs = (published(5, reported, column, None) for column in (MP_NAS, "Meta-D2A"))
    return Column(searched, reported, ours.value if ours else None, theirs.value if theirs else None)


_MIOU = "transnasbench101/segmentsemantic@miou"
_FOURTEEN = tuple(
    Column.of(_MIOU if name == "transnasbench101/segmentsemantic" else name)
    for name in (*NASBENCH201, *TRANSNASBENCH101)
)
_DEVICES = tuple(replace(Column.of(name), all_devices=True) for family in DEVICES.values() for name in family)


def _by_role(names: tuple[str, ...]) -> tuple[Column, ...]:
    """Return columns by name: latencies as in the preset ``devices``, the others as in ``regret``."""
    of_name = {column.searched: column for column in (*_FOURTEEN, *_DEVICES)}
    return tuple(of_name[name] for name in names)


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "regret",
            "Searchers side by side: regret",
            _FOURTEEN,
            budget=100,
        ),
        Preset(
            "devices",
            "Searchers side by side: latencies, whole families of devices left out",
            _DEVICES,
            budget=100,
        ),
        Preset(
            "design",
            "Searchers side by side: the columns that things are chosen on",
            _by_role(DESIGN),
            budget=100,
        ),
        Preset(
            "confirmation",
            "Searchers side by side: the columns that confirm a choice, and blind ones",
            _by_role((*CONFIRMATION, *BLIND)),
            budget=100,
        ),
        Preset(
            "macro",
            "Searchers side by side: networks that differ in width and depth",
            tuple(
                Column.of(f"{name}@miou" if name.endswith("/segmentsemantic") else name)
                for name in (*NATSBENCH_SIZE, *TRANSNASBENCH101_MACRO)
            ),
            budget=100,
        ),
        Preset(
            "table5",
            "Searchers side by side: 30 queries, picked on validation (table 5)",
            (
                _of_table_5("nasbench201/cifar10@valid", "nasbench201/cifar10"),
                _of_table_5("nasbench201/cifar100@valid", "nasbench201/cifar100"),
                _of_table_5("nasbench201/imagenet16-120@valid", "nasbench201/imagenet16-120"),
                _of_table_5("nasbench201/ninapro", "nasbench201/ninapro"),
            ),
            budget=30,
        ),
    )
}
"""By the names that ``--preset`` takes."""


def get_preset(name: str) -> Preset:
    """Return the preset of that name.

    Raises:
        RunError: If there is none; the message lists those there are.
    """
    if name not in PRESETS:
        raise RunError(no_such("preset", name, PRESETS))
    return PRESETS[name]


def sources_of_space(space: str, *, all_devices: bool = False) -> tuple[str, ...]:
    """List the tasks of a space that a method may know, whatever else lies in a folder of tables.

    Args:
        space: Name of the space.
        all_devices: Add the latencies of all devices; else only the two of the studies.
    """
    of_space = (NASBENCH201, TRANSNASBENCH101, NATSBENCH_SIZE, TRANSNASBENCH101_MACRO)
    known = next((names for names in of_space if names[0].startswith(f"{space}/")), ())
    latencies = (name for family in DEVICES.values() for name in family if name.startswith(f"{space}/"))
    return tuple(dict.fromkeys((*known, *latencies))) if all_devices else known
