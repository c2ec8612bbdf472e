"""Units of the predictor study: one method on one target with one seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from cluster.experiments.protocol.fingerprints import digest_of_checkpoint, fingerprint
from cluster.experiments.studies.predictors.methods import METHODS, Knowledge
from cluster.experiments.studies.predictors.targets import Draw
from cluster.work.items import WorkItem
from mpnas_ray.tables import TableTask, load_tasks

__all__ = ["Unit", "judge", "unit_item"]


@dataclass(frozen=True)
class Unit:
    """A method (of `methods.METHODS`) on a target with a seed."""

    method: str
    target: str
    seed: int

    @property
    def name(self) -> str:
        """Name of the unit's file, from the work folder, without ending."""
        return f"{self.target.replace('/', '.')}/{self.method}.{self.seed}"


def unit_item(unit: Unit, knowledge: Knowledge, targets: Mapping[str, TableTask], tables: Path) -> WorkItem:
    """Describe a unit as work.

    Args:
        unit: The unit.
        knowledge: Files that it may read beside its draw; a predictor must be there.
        targets: All targets by name.
        tables: Folder of NAS tables, which all nodes must reach.
    """
    predictor = knowledge.predictor
    identity = {
        **asdict(unit),
        "table": fingerprint(targets[unit.target]),
        "predictor": None if predictor is None else digest_of_checkpoint(predictor),
    }
    return WorkItem(unit.name, identity, partial(judge, unit, knowledge, tables))


def judge(unit: Unit, knowledge: Knowledge, tables: Path) -> list[dict[str, Any]]:
    """Do a unit; return its measurements in plain values."""
    target = _task(unit.target, knowledge.own_table if unit.target.startswith("mixed/") else tables)
    return [asdict(one) for one in METHODS[unit.method].judge(Draw.of(target, unit.seed), knowledge)]


@lru_cache(maxsize=16)
def _task(name: str, source: Path) -> TableTask:
    """Load a target once a process."""
    return load_tasks(source, [name])[name]
