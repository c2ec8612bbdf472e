"""A study of rank correlations: its units, the rows that they give, and its page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cluster.experiments.protocol.splits import SPLIT_SEED
from cluster.experiments.studies.ranking.methods import METHODS, Method
from cluster.experiments.studies.ranking.rows import Row, Rows, rows_of
from cluster.experiments.studies.ranking.units import Unit, UnitResult, study_tasks, unit_item
from cluster.experiments.studies.study import Report
from cluster.report.html import Html
from cluster.work.items import Store
from cluster.work.running import run_missing
from mpnas_ray.tables import TableTask

__all__ = ["RankingStudy"]


@dataclass(frozen=True)
class RankingStudy:
    """One published table or figure of rank correlations; see `cluster.experiments.studies.study.Study`.

    Attributes:
        name: Name of the study for the command, and of its files.
        title: First line of its page.
        units: The work that it needs.
        page: Function of all rows that returns the rest of the page, in Markdown.
        rows: Function of the rows of its units and of the tables that returns all rows, computed ones among them.
        plot: Draws the rows into a file; None if the study has no picture.
        draw: Draws the rows for the page with charts; None if the study has no picture.
    """

    name: str
    title: str
    units: tuple[Unit, ...]
    page: Callable[[Rows], str]
    rows: Callable[[list[Row], Mapping[str, TableTask]], list[Row]] = field(default=lambda rows, _: rows)
    plot: Callable[[Rows, Path], None] | None = None
    draw: Callable[[Rows], list[Html]] | None = None
    holds: str = "All draws are"
    options: tuple[str, ...] = ()

    @property
    def has_picture(self) -> bool:
        """Say whether there is a picture."""
        return self.plot is not None

    def measure(
        self, tables: Path, work: Path, report: Report, *, methods: Mapping[str, Method] = METHODS
    ) -> dict[str, Any]:
        """Do the missing units; ``methods`` says what their methods stand for."""
        tasks = study_tasks(tables)
        items = {unit: unit_item(unit, methods[unit.method], tasks, tables, work) for unit in self.units}
        found = run_missing(tuple(items.values()), Store(work))
        results = {unit: UnitResult.from_plain(found[item.name]) for unit, item in items.items()}
        return {
            "seeds": {"splits and draws": SPLIT_SEED, "methods": sorted({unit.seed for unit in self.units})},
            "rows": [asdict(row) | asdict(row.estimate) for row in self.rows(rows_of(results), tasks)],
            "units": [
                {
                    "name": unit.name,
                    "learn_seconds": results[unit].learn_seconds,
                    "versions": results[unit].versions,
                    **item.identity,
                }
                for unit, item in items.items()
            ],
        }

    def body(self, content: Mapping[str, Any]) -> str:
        """Write the page from the rows."""
        return self.page(_rows(content))

    def save_picture(self, content: Mapping[str, Any], path: Path) -> None:
        """Draw the rows."""
        assert self.plot is not None
        self.plot(_rows(content), path)

    def charts(self, content: Mapping[str, Any]) -> list[Html]:
        """Draw the rows for the page with charts."""
        assert self.draw is not None
        return self.draw(_rows(content))


def _rows(content: Mapping[str, Any]) -> Rows:
    return Rows(tuple(Row.from_dict(entry) for entry in content["rows"]))
