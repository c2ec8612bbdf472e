"""Write the page of a comparison, all of it from the summaries."""

from __future__ import annotations

import math
from collections.abc import Callable
from textwrap import dedent

from cluster.experiments.comparison.methods import METHODS
from cluster.experiments.comparison.report.formatting import count, percent, short, value
from cluster.experiments.comparison.report.overall_page import overall_tables
from cluster.experiments.comparison.report.pairwise import wins_and_losses
from cluster.experiments.comparison.running import META_TRAININGS, SLOW_SECONDS
from cluster.experiments.comparison.summary.measures import GOALS
from cluster.experiments.comparison.summary.overall import overall_of
from cluster.experiments.comparison.summary.summaries import Comparison, Summary
from cluster.pages.markdown import markdown_table

__all__ = ["page_of"]

Cell = Callable[[Summary], str]
Key = Callable[[Summary], float]
"""By which the best of a column is found: lower is better."""

_NONE = "—"


def page_of(results: Comparison) -> str:
    """Write everything below the picture, in Markdown."""
    sections = [_how(results), _overall(results), _roles(results)]
    if any(ground.column.reported != ground.column.searched for ground in results.grounds):
        sections.append(_found(results))
    sections.append(f"## Wins and losses\n\n{wins_and_losses(results)}")
    for goal in sorted(GOALS, key="top 0.1 %".__ne__):  # this one first
        sections += [f"## Queries to the {goal}", _tables(results, _queries(goal), _median_queries(goal))]
    for moment in results.moments:
        sections += [f"## Regret after {moment} queries, in percent", _tables(results, _regret(moment), _mean(moment))]
    sections += ["## CPU seconds of a run", _tables(results, lambda summary: f"{summary.seconds:.1f}")]
    return "\n\n".join(sections)


def _how(results: Comparison) -> str:
    if all(ground.column.reported == ground.column.searched for ground in results.grounds):
        reported = "The column that is searched is the one that is reported, so that figures are of search alone."
    else:
        reported = "The incumbent is chosen on the searched column; what is found is its value in the reported one."
    all_devices = any(ground.column.all_devices for ground in results.grounds)
    devices = ", for a latency those of all devices among them" if all_devices else ""
    failures = sum(summary.failures for summary in results.every)
    return dedent(
        f"""\
        Each run is {results.budget} queries of a table, one after the other: the searcher proposes an architecture and
        is told its score. Every proposal counts, also one that the table has not measured, which is a failed trial.
        Searchers deduplicate by text, all alike, since a table measured isomorphic
        cells apart. Numbers in parentheses are the
        runs (seeds) behind a figure: fewer for a searcher that took more than {SLOW_SECONDS:g} CPU seconds in its first
        run; mean-rank does not depend on a seed and ran once. The runs of `mpnas` take {META_TRAININGS} meta-trainings
        in turn, and those of one of them differ little, so that intervals over its seeds are too narrow.
        {reported}
        Failures inside searchers, answered by random proposals: {failures or "none"}.

        `mpnas` is ours, with a predictor meta-learned for each column from the full tables of the other tasks of the
        space{devices}, without any that shares a data set, a device or a family of devices with it; `scratch` is the
        same searcher without meta-learning. `mean-rank`, `nearest-task`, `quantile-transfer` and `rush` know the same
        tables, those of the column's kind (quality or cost) where there are any. Those called far know nothing of
        CIFAR-10, CIFAR-100 and ImageNet16-120, whichever of them is searched. The others know nothing beforehand.

        Regret is the distance from the incumbent's score to the best of the table, in percent of the distance from
        the median score to the best; tables show its mean over seeds with a 95 % bootstrap interval, the picture its
        median. The top 1 % and 0.1 % of a space are reached by a score at least that of its k-th best cell, where
        cells that the table has not measured count as worst; queries to them are medians over seeds, and > says that
        half of the seeds did not get there. The best of a column is bold, and apart from the others the best of
        those called far.
        """
    )


def _roles(results: Comparison) -> str:
    """Say which columns are for what."""
    words = {
        "design": "Design columns, on which things are chosen",
        "confirmation": "Confirmation columns, looked at once a choice is made",
        "blind": "Blind columns, by which nothing is decided",
        None: "Columns that have no part in the split",
    }
    of_role = {
        role: [short(ground.column.searched) for ground in results.grounds if ground.column.role == role]
        for role in words
    }
    listed = "\n".join(f"- {words[role]}: {', '.join(names)}." for role, names in of_role.items() if names)
    return f"## Which columns are for what\n\n{listed}"


def _overall(results: Comparison) -> str:
    """Show searchers over all columns."""
    how = dedent(
        f"""\
        Single columns are noise: these figures are over all columns. A run that did not get to a goal counts as twice
        the budget, {2 * results.budget} queries. Queries on a column are their geometric mean over seeds, a regret
        its mean, and columns count alike. In shares of columns a searcher is not counted where none of its runs got
        there. The best rival of a searcher on a column is the best of all others there, ours included; a searcher with
        a regret where a rival has none is infinitely many times worse (∞). A searcher that did not take part on every
        column stands in pairs alone, on the columns that both searched. In brackets are 95 % intervals of a bootstrap
        that draws columns, then seeds for each; where searchers are compared, seeds that the same searchers ran are
        drawn
        together. Columns of one device, or of the CIFAR family, are much alike: where there are several, intervals
        are too narrow.
        """
    )
    return "\n\n".join(["## Over all columns", how, *map(overall_tables, overall_of(results))])


def _found(results: Comparison) -> str:
    """Show what incumbents are worth in the reported column."""
    header = [results.grounds[0].column.searched.partition("/")[0]]
    header += [f"{short(ground.column.reported)}, {ground.unit}" for ground in results.grounds]
    lines = []
    for name in results.methods:
        cells = [results.find(name, ground.column) for ground in results.grounds]
        lines.append([name, *(_NONE if one is None else f"{value(one.found)} ({one.seeds})" for one in cells)])
    lines.append(["perfect search", *(f"{ground.perfect:.2f}" for ground in results.grounds)])
    columns = [ground.column for ground in results.grounds]
    lines.append(["paper: MP-NAS", *(_published(column.paper) for column in columns)])
    lines.append(["paper: MetaD2A", *(_published(column.meta_d2a) for column in columns)])
    picked = ", ".join(
        f"{short(ground.column.reported)} by {short(ground.column.searched)}"
        for ground in results.grounds
        if ground.column.reported != ground.column.searched
    )
    return (
        f"## What was found after {results.budget} queries\n\n"
        f"The reported value of the incumbent: its mean over seeds with a 95 % bootstrap interval. Incumbents were "
        f"picked on validation ({picked}), others on the reported column itself. A perfect search finds the cell that "
        f"is best in the searched column. The paper's numbers (table 5, means of ten runs) are in kind only: its "
        f"predictor has learned from the six other tasks of the space, it says that it picks on validation but not by "
        f"which column of the benchmark, and what is above the perfect search cannot be reached by ours.\n\n"
        f"{markdown_table(header, lines)}"
    )


def _published(value: float | None) -> str:
    return "not given" if value is None else f"{value:g}"


def _tables(results: Comparison, cell: Cell, key: Key | None = None) -> str:
    """Write a table for each space, with a line a method and a column a task."""
    spaces = dict.fromkeys(ground.column.searched.partition("/")[0] for ground in results.grounds)
    return "\n\n".join(_table(results, space, cell, key) for space in spaces)


def _table(results: Comparison, space: str, cell: Cell, key: Key | None) -> str:
    columns = [ground.column for ground in results.grounds if ground.column.searched.partition("/")[0] == space]
    lines = []
    for name in results.methods:
        found = [results.find(name, column) for column in columns]
        if any(found):
            lines.append([name, *(_NONE if one is None else _marked(results, one, cell, key) for one in found)])
    return markdown_table([space, *(short(column.searched) for column in columns)], lines)


def _marked(results: Comparison, summary: Summary, cell: Cell, key: Key | None) -> str:
    """Write a cell, in bold if none of its column is better, of those called far or of the others."""
    text = cell(summary)
    if key is None or math.isinf(key(summary)):
        return text
    far = METHODS[summary.method].far
    peers = [one for one in results.every if one.searched == summary.searched]
    best = min(key(one) for one in peers if METHODS[one.method].far == far)
    return f"**{text}**" if key(summary) == best else text


def _median_queries(goal: str) -> Key:
    return lambda summary: summary.median_queries(goal)


def _queries(goal: str) -> Cell:
    return lambda summary: f"{count(summary.median_queries(goal))} ({summary.seeds})"


def _mean(moment: int) -> Key:
    return lambda summary: summary.regret[moment].value


def _regret(moment: int) -> Cell:
    def cell(summary: Summary) -> str:
        regret = summary.regret[moment]
        between = "" if summary.seeds == 1 else f" [{percent(regret.low)}, {percent(regret.high)}]"
        return f"{percent(regret.value)}{between} ({summary.seeds})"

    return cell
