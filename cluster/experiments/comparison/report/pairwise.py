"""Show wins and losses: ours against the best rival of each column."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cluster.experiments.comparison.methods import METHODS, OURS
from cluster.experiments.comparison.report.formatting import count, percent, short
from cluster.experiments.comparison.summary.summaries import Comparison, Ground, Summary
from cluster.pages.markdown import markdown_table

__all__ = ["wins_and_losses"]

_GOAL = "top 0.1 %"
_WORDS = {"win": "won", "even": "even", "loss": "lost", "neither": "reached by neither"}


@dataclass(frozen=True)
class _Measure:
    """A measure by which methods are set against each other: lower is better."""

    title: str
    of: Callable[[Summary], float]
    shown: Callable[[float], str]


@dataclass(frozen=True)
class _Pair:
    """Our figure on a column, and the best figure that rivals have there."""

    column: str
    ours: float
    rivals: tuple[str, ...]
    theirs: float

    @property
    def verdict(self) -> str:
        if self.ours == self.theirs:
            return "neither" if math.isinf(self.ours) else "even"
        return "win" if self.ours < self.theirs else "loss"


def wins_and_losses(results: Comparison) -> str:
    """Write a sentence and a table of all columns for each measure, in Markdown."""
    blocks = []
    for ours in OURS:
        for measure in _measures(results):
            pairs = [_pair(results, ground, ours, measure) for ground in results.grounds]
            fought = [pair for pair in pairs if pair is not None]
            if fought:
                blocks.append(_shown(ours, measure, fought))
    return (
        "\n\n".join(blocks) or "There is nothing to set against each other: mpnas, or each of its rivals, is not here."
    )


def _measures(results: Comparison) -> Iterator[_Measure]:
    yield _Measure(f"queries to the {_GOAL}", lambda summary: summary.median_queries(_GOAL), count)
    for moment in results.moments:
        title = f"mean regret in percent after {moment} queries"
        yield _Measure(title, lambda summary, moment=moment: summary.regret[moment].value, percent)  # type: ignore[misc]


def _pair(results: Comparison, ground: Ground, ours: str, measure: _Measure) -> _Pair | None:
    """Compare ours with its best rival; None if either did not run there. A far one meets none that knows more."""
    far = METHODS[ours].far
    mine = results.find(ours, ground.column)
    rivals = [
        METHODS[name]
        for name in results.methods
        if name not in OURS and not (far and METHODS[name].transfers and not METHODS[name].far)
    ]
    found = {
        rival.name: measure.of(summary)
        for rival in rivals
        if (summary := results.find(rival.name, ground.column)) is not None
    }
    if mine is None or not found:
        return None
    best = min(found.values())
    winners = tuple(name for name, value in found.items() if value == best)
    return _Pair(short(ground.column.searched), measure.of(mine), winners, best)


def _shown(ours: str, measure: _Measure, pairs: Sequence[_Pair]) -> str:
    verdicts = [pair.verdict for pair in pairs]
    counts = ", ".join(f"{verdicts.count(verdict)} {word}" for verdict, word in _WORDS.items() if verdict in verdicts)
    lost = "; ".join(
        f"{pair.column} ({measure.shown(pair.ours)} to {measure.shown(pair.theirs)} of {' and '.join(pair.rivals)})"
        for pair in pairs
        if pair.verdict == "loss"
    )
    lines = [
        [
            pair.column,
            measure.shown(pair.ours),
            measure.shown(pair.theirs),
            "—" if math.isinf(pair.theirs) else "; ".join(pair.rivals),
            pair.verdict,
        ]
        for pair in pairs
    ]
    table = markdown_table(["column", ours, "best rival", "who", "verdict"], lines)
    return f"**{ours}, {measure.title}**: {counts}.{f' Lost: {lost}.' if lost else ''}\n\n{table}"
