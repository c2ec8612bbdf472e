"""Kendall's tau of one-shot scores with measured ones, and whether such scores help a meta-learned predictor."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from cluster.experiments.studies.estimates import Estimate
from cluster.experiments.studies.oneshot.agreement import (
    COUNTS,
    PREDICTOR,
    RANKINGS,
    MeasuredArchs,
    agreement_of,
    cells_measured,
    scoring_item,
    table_measured,
    worth_item,
)
from cluster.experiments.studies.oneshot.cells import SCORING, supernet_items
from cluster.experiments.studies.oneshot.cells_page import too_few
from cluster.experiments.studies.oneshot.cells_study import ONESHOT_CELLS, WORK, CellsStudy
from cluster.experiments.studies.oneshot.supernets import NORMS
from cluster.experiments.studies.study import Report, WithoutPicture
from cluster.pages.markdown import markdown_table
from cluster.work.items import Store
from cluster.work.running import run_missing
from mpnas_ray.checks import require_count
from mpnas_ray.errors import RunError
from mpnas_ray.names import no_such
from mpnas_ray.stats import kendall
from mpnas_ray.tables import BUNDLED_TABLE, read_curves

__all__ = ["ONESHOT_TAU", "AgreementStudy"]


@dataclass(frozen=True)
class AgreementStudy(WithoutPicture):
    """The study of one-shot scores; see `cluster.experiments.studies.study.Study`.

    Attributes:
        cells: The study of 64 cells, whose trainings and supernets are used.
        tasks: Tasks of our own table to compare with, too; those on which two trainings of an architecture agree are
            digits, splice, darcy16, osuleaf and libras.
        supernet_seeds: Number of supernets of each task, and of each method on the 64 cells.
        changed: Settings of the supernets in place of those of the short protocol.

    Raises:
        RunError: If a number is below 1.
    """

    name: str = "oneshot-tau"
    title: str = "Agreement of one-shot scores with measured ones"
    holds: str = "All correlations are"
    options: tuple[str, ...] = ("train", "seeds", "tasks")
    cells: CellsStudy = ONESHOT_CELLS
    tasks: tuple[str, ...] = ()
    supernet_seeds: int = 5
    changed: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_count("seeds", self.supernet_seeds, 1, error=RunError)

    def measure(
        self,
        tables: Path,
        work: Path,
        report: Report,
        *,
        train: bool = True,
        seeds: int | None = None,
        tasks: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Train the supernets that are missing, and score.

        Args:
            tables: Unused: the study takes our own table, which comes with the package.
            work: Folder of the work, which holds that of the study of 64 cells, too.
            report: Receives a line for each step.
            train: Unused: this is called to train.
            seeds: Number of supernets in place of ``supernet_seeds``.
            tasks: Tasks of our own table to compare with, too.

        Raises:
            RunError: If ``seeds`` is below 1, or our own table has no such task.
        """
        command = ["mpnas", "reproduce", self.name, "--train"]
        command += [] if seeds is None else ["--seeds", str(seeds)]
        command += [part for task in tasks for part in ("--task", task)]
        asked = replace(
            self, supernet_seeds=self.supernet_seeds if seeds is None else seeds, tasks=(*self.tasks, *tasks)
        )
        return {"command": shlex.join(command), **asked._measured(work, report)}

    def _measured(self, work: Path, report: Report) -> dict[str, Any]:
        known = read_curves(BUNDLED_TABLE)
        for task in self.tasks:
            if task not in known:
                raise RunError(no_such("task of our own table", task, known))
        store, number = Store(work / WORK), self.supernet_seeds
        report("the 64 cells and their supernets")
        cells = cells_measured(self.cells.truth(store), self.cells.course.settings())
        items = supernet_items(self.cells.course, number, SCORING, self.cells.changed)
        of_cells = run_missing(items, store)
        rows = [
            _row(cells, method, [of_cells[f"supernets/{method}.{seed}"] for seed in range(number)])
            for method in SCORING
        ]
        worth = [(cells, [of_cells[f"supernets/rsps.{seed}"] for seed in range(number)])]
        for task in self.tasks:
            report(f"{number} supernets of the mixed space on {task}")
            measured = table_measured(task)
            scoring = [scoring_item(task, seed, measured.settings, self.changed) for seed in range(number)]
            done = run_missing(scoring, store)
            rows.append(_row(measured, "rsps", [done[item.name] for item in scoring]))
            worth.append((measured, [done[item.name] for item in scoring]))
        report("rankings by predictor and score")
        return {
            "task": self.cells.course.task.name,
            "seeds": number,
            "rows": rows,
            "counts": list(COUNTS),
            "predictor": PREDICTOR,
            "worth": {measured.name: _worth(measured, supernets, store) for measured, supernets in worth},
        }

    def body(self, content: Mapping[str, Any]) -> str:
        """Write the page from the correlations."""
        return _body(content)


def _row(measured: MeasuredArchs, method: str, supernets: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "measured": measured.name,
        "archs": len(measured.archs),
        "method": method,
        "tau": {norm: [agreement_of(measured, one["scores"][norm]) for one in supernets] for norm in NORMS},
        "ceiling": measured.ceiling,
        "size": kendall(measured.parameters, measured.truth),
    }


def _worth(measured: MeasuredArchs, supernets: Sequence[Mapping[str, Any]], store: Store) -> dict[str, Any]:
    """Return ranking -> for each number of measured architectures, the means over draws of each supernet."""
    items = [worth_item(measured, one["scores"]["calibrated"], seed) for seed, one in enumerate(supernets)]
    done = run_missing(items, store)
    found: dict[str, Any] = {}
    for ranking in RANKINGS:
        by_count = zip(*(done[item.name][ranking] for item in items), strict=True)
        found[ranking] = [None if None in draws else [float(np.mean(each)) for each in draws] for draws in by_count]
    return found


def _body(content: Mapping[str, Any]) -> str:
    rows = [
        [
            f"{row['measured']} ({row['archs']})",
            row["method"],
            *(Estimate.of(row["tau"][norm]).shown(2) for norm in NORMS),
            f"{row['ceiling']:.2f}",
            f"{row['size']:.2f}",
        ]
        for row in content["rows"]
    ]
    header = ["architectures", "method", *NORMS, "two trainings", "parameters"]
    return f"""\
Kendall's tau of the scores of architectures with the weights of a supernet and their scores after a training of their
own, means ± standard errors over {content["seeds"]} supernets{too_few(content["seeds"])}. Columns differ in the
statistics of batch norm in scoring: `calibrated` ones are computed anew for each architecture over training samples,
`batch` ones are those of each batch, `running` ones were gathered during the training of the supernet and mix all
architectures. `two trainings` is the tau between two single trainings of the same architecture with different seeds,
`parameters` that of the number of parameters alone.

The 64 cells are those of [oneshot-cells](oneshot-cells.md), trained on {content["task"]}, whose truth is a mean over
several trainings. `--task` adds tasks of [our own table](mini_table.md): supernets of `rsps` over all families of the
mixed space are then trained on the same training samples.

{markdown_table(header, rows)}

{_read(content)}

## Does the score help MP-NAS?

Kendall's tau of a ranking of the architectures that were not measured, after some were. `predictor` is the bundled
`{content["predictor"]}`, which has learned from no table of ours, but from NAS-Bench-201 on Darcy flow among others.
The score is that of `rsps`, calibrated. As a prior, it is fused with the predictor's ranking as
`mpnas search --proxy supernet:RUN` does. As a mean function, it is fitted to the measured scores, and the predictor
learns what that leaves. Means ± standard errors over supernets, each with 10 draws of measured architectures.

{_worth_tables(content)}

{_verdict(content)}
"""


def _read(content: Mapping[str, Any]) -> str:
    """Say in which cases the score agrees better than the number of parameters does."""
    above: list[str] = []
    below: list[str] = []
    for row in content["rows"]:
        tau = Estimate.of(row["tau"]["calibrated"]).mean
        (above if tau > row["size"] else below).append(f"{row['measured']} by {row['method']}")
    return (
        f"The calibrated score agrees better with the truth than the number of parameters does: "
        f"{', '.join(above) or 'nowhere'}. It agrees less: {', '.join(below) or 'nowhere'}."
    )


def _worth_tables(content: Mapping[str, Any]) -> str:
    tables = []
    for name, by_ranking in content["worth"].items():
        lines = [
            [ranking, *("-" if values is None else Estimate.of(values).shown(2) for values in by_count)]
            for ranking, by_count in by_ranking.items()
        ]
        tables.append(
            f"### {name}\n\n" + markdown_table(["ranking", *(f"{n} measured" for n in content["counts"])], lines)
        )
    return "\n\n".join(tables)


def _verdict(content: Mapping[str, Any]) -> str:
    """Count where a ranking with the score is better than the predictor alone."""
    lines = []
    for ranking in RANKINGS[2:]:
        gains: list[float] = []
        for by_ranking in content["worth"].values():
            for alone, mixed in zip(by_ranking["predictor"], by_ranking[ranking], strict=True):
                if mixed is not None:
                    gains.append(float(np.mean(mixed) - np.mean(alone)))
        better = sum(gain > 0 for gain in gains)
        how = ranking.removeprefix("score ")
        lines.append(
            f"- {how}: better than the predictor alone in {better} of {len(gains)} cases, each a table and a number of "
            f"measured architectures, by {np.mean(gains):+.3f} on average."
        )
    return "\n".join(lines)


ONESHOT_TAU = AgreementStudy()
