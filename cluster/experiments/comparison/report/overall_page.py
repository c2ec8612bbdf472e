"""Show searchers over all columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cluster.experiments.comparison.report.formatting import between, short
from cluster.experiments.comparison.summary.overall import AGGREGATED_GOALS, FACTORS, Overall, PairOfSearchers
from cluster.pages.markdown import markdown_table

__all__ = ["overall_tables"]


def overall_tables(overall: Overall) -> str:
    """Write the tables of a group, in Markdown."""
    blocks = [f"### {overall.title}", f"Columns: {', '.join(map(short, overall.columns))}."]
    if overall.standings:
        blocks += [_table(*part) for part in _parts(overall)]
    if overall.pairs:
        blocks += [_pairs(overall.pairs)]
    return "\n\n".join(blocks)


_Rows = list[tuple[str, list[tuple[float, str]]]]
"""Name, and of each cell what it is ordered by, lower first, and its text."""


def _parts(overall: Overall) -> list[tuple[str, list[str], _Rows]]:
    """Return title, header and rows of each table."""
    standings, first = overall.standings, overall.standings[0]
    parts: list[tuple[str, list[str], _Rows]] = [
        (
            "**Geometric mean of queries to a goal, and mean regret in percent after so many queries**",
            [*first.queries, *(f"regret at {moment}" for moment in first.regret)],
            [
                (
                    one.method,
                    [(found.value, between(found)) for found in (*one.queries.values(), *one.regret.values())],
                )
                for one in standings
            ],
        )
    ]
    if first.worst:
        parts.append(
            (
                "**Worst ratio to the best rival, and the column where it is**",
                list(first.worst),
                [
                    (
                        one.method,
                        [
                            (worst.ratio.value, f"{between(worst.ratio)} {short(worst.column)}")
                            for worst in one.worst.values()
                        ],
                    )
                    for one in standings
                ],
            )
        )
    parts += [
        (
            f"**Share of columns, in percent, within a factor of the fewest queries to the {goal}**",
            [f"{factor:g}" for factor in FACTORS],
            [
                (one.method, [(-share.value, between(share)) for share in one.profiles[goal].values()])
                for one in standings
            ],
        )
        for goal in AGGREGATED_GOALS
    ]
    return parts


def _table(title: str, header: Sequence[str], rows: _Rows) -> str:
    """Write a table, the best of each column in bold."""
    best = [min(row[1][position][0] for row in rows) for position in range(len(header))]

    def marked(cell: tuple[float, str], first: float) -> str:
        key, text = cell
        return f"**{text}**" if key == first and math.isfinite(key) else text

    lines = [[name, *map(marked, cells, best)] for name, cells in rows]
    return f"{title}\n\n{markdown_table(['searcher', *header], lines)}"


def _pairs(pairs: Sequence[PairOfSearchers]) -> str:
    header = ["rival", "columns", *pairs[0].ratios, *(f"regret at {moment}" for moment in pairs[0].differences)]
    lines = [
        [
            pair.rival,
            str(pair.num_columns),
            *(between(found) for found in (*pair.ratios.values(), *pair.differences.values())),
        ]
        for pair in pairs
    ]
    return (
        f"**{pairs[0].method} against each rival**: ratio of their geometric means of queries (below 1, the rival "
        f"needs more), difference of their mean regrets (below 0, the rival's is larger)\n\n"
        f"{markdown_table(header, lines)}"
    )
