"""Show how related the tasks of a search space are, from the tables alone: the paper's figure 5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cluster.experiments.protocol.folds import NASBENCH201, TRANSNASBENCH101
from cluster.experiments.studies.ranking.charts import heat_maps
from cluster.experiments.studies.ranking.pages import markdown_table, number
from cluster.experiments.studies.ranking.plots import save_heat_maps
from cluster.experiments.studies.ranking.rows import Row, Rows
from cluster.experiments.studies.ranking.study import RankingStudy
from mpnas_ray.stats import spearman
from mpnas_ray.tables import TableTask

__all__ = ["FIG3"]

_SPACES = {"NAS-Bench-201": NASBENCH201, "TransNAS-Bench-101": TRANSNASBENCH101}


def _relations(_: list[Row], tasks: Mapping[str, TableTask]) -> list[Row]:
    """Correlate each source's ranking with each target (Spearman), on the cells that both have measured."""
    return [
        Row(source, target, 0, "none", 0, "tables", (_relation(tasks[source], tasks[target]),), 0.0, 0.0, 0.0)
        for names in _SPACES.values()
        for source in names
        for target in names
    ]


def _relation(source: TableTask, target: TableTask) -> float:
    known = {row.tobytes(): score for row, score in zip(source.archs.codes, source.scores.tolist(), strict=True)}
    keys = [row.tobytes() for row in target.archs.codes]
    common = np.array([key in known for key in keys], dtype=np.bool_)
    ranking = np.array([known[key] for key in keys if key in known], dtype=np.float64)
    return float(spearman(ranking, target.scores[common]))


def _page(rows: Rows) -> str:
    tables = "\n\n".join(
        f"## {title}\n\n{_table(rows, names)}\n\n{_extremes(rows, names)}" for title, names in _SPACES.items()
    )
    return f"""![How related tasks are](fig3.png)

**The paper's figure 3 shows something else**, MAML, ANIL and BOIL on TransNAS-Bench-101; they are compared in
[table 2](table2.md). What is here is its figure 5 (appendix D): correlations between the seven tasks of NAS-Bench-201
and between those of TransNAS-Bench-101. That is a picture, whose numbers its text does not give; nor does it say which
correlation it is, and whether latencies and errors are turned around.

How well does the measured ranking of one task, as it stands, rank for another task? Nothing is learned here: numbers
are Spearman correlations between the measured scores of two tasks (higher is better, so latencies and errors are
turned around) over all cells that both have measured.

{tables}
"""


def _matrix(rows: Rows, names: Sequence[str]) -> NDArray[np.float64]:
    """Return correlations ``[source, target]``."""
    found = [[rows.find(source, target, 0, split="none") for target in names] for source in names]
    return np.array([[np.nan if row is None else row.estimate.mean for row in line] for line in found])


def _table(rows: Rows, names: Sequence[str]) -> str:
    matrix = _matrix(rows, names)
    header = ["source, target", *(name.partition("/")[2] for name in names)]
    return markdown_table(
        header, [[name, *map(number, line)] for name, line in zip(header[1:], matrix.tolist(), strict=True)]
    )


def _extremes(rows: Rows, names: Sequence[str]) -> str:
    pairs = sorted(
        (row.estimate.mean, row.method, row.target) for row in rows if row.method in names and row.method < row.target
    )
    low, high = pairs[0], pairs[-1]
    negative = sum(pair[0] < 0 for pair in pairs)
    return (
        f"The highest correlation is that of {high[1]} and {high[2]} ({number(high[0])}), the lowest that of "
        f"{low[1]} and {low[2]} ({number(low[0])}); {negative} of {len(pairs)} pairs have a negative one."
    )


def _maps(rows: Rows) -> dict[str, tuple[list[str], NDArray[np.float64]]]:
    """Return title -> names and correlations of each space."""
    return {
        title: ([name.partition("/")[2] for name in names], _matrix(rows, names)) for title, names in _SPACES.items()
    }


FIG3 = RankingStudy(
    "fig3",
    "How related the tasks are",
    (),
    _page,
    _relations,
    lambda rows, path: save_heat_maps(_maps(rows), path),
    lambda rows: heat_maps(_maps(rows)),
)
