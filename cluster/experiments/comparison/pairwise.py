"""Wins and losses: ours against the best rival of each column."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cluster.experiments.comparison.contestants import CONTESTANTS
from cluster.experiments.comparison.figures import Figures, Ground, Results
from cluster.experiments.comparison.numbers import count, percent, short
from cluster.pages.markdown import markdown_table

__all__ = ["OURS", "wins_and_losses"]

OURS = ("mpnas", "mpnas, far")
_GOAL = "top 0.1 %"
_WORDS = {"win": "won", "even": "even", "loss": "lost", "neither": "reached by neither"}


@dataclass(frozen=True)
class _Measure:
    """What is set against each other: lower is better."""

    title: str
    of: Callable[[Figures], float]
    shown: Callable[[float], str]


@dataclass(frozen=True)
class _Duel:
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


def wins_and_losses(results: Results) -> str:
    """For each measure a sentence and a table of all columns, in Markdown."""
    blocks = []
    for ours in OURS:
        for measure in _measures(results):
            duels = [_duel(results, ground, ours, measure) for ground in results.grounds]
            fought = [duel for duel in duels if duel is not None]
            if fought:
                blocks.append(_shown(ours, measure, fought))
    return (
        "\n\n".join(blocks) or "There is nothing to set against each other: mpnas, or each of its rivals, is not here."
    )


def _measures(results: Results) -> Iterator[_Measure]:
    yield _Measure(f"queries to the {_GOAL}", lambda figures: figures.median_queries(_GOAL), count)
    for moment in results.moments:
        title = f"mean regret in percent after {moment} queries"
        yield _Measure(title, lambda figures, moment=moment: figures.regret[moment].value, percent)  # type: ignore[misc]


def _duel(results: Results, ground: Ground, ours: str, measure: _Measure) -> _Duel | None:
    """None if ours or all rivals did not run there. Who is far meets nobody who knows the tables nearby."""
    far = CONTESTANTS[ours].far
    mine = results.find(ours, ground.column)
    rivals = [
        CONTESTANTS[name]
        for name in results.contestants
        if name not in OURS and not (far and CONTESTANTS[name].transfers and not CONTESTANTS[name].far)
    ]
    found = {
        rival.name: measure.of(figures)
        for rival in rivals
        if (figures := results.find(rival.name, ground.column)) is not None
    }
    if mine is None or not found:
        return None
    best = min(found.values())
    winners = tuple(name for name, value in found.items() if value == best)
    return _Duel(short(ground.column.searched), measure.of(mine), winners, best)


def _shown(ours: str, measure: _Measure, duels: Sequence[_Duel]) -> str:
    verdicts = [duel.verdict for duel in duels]
    counts = ", ".join(f"{verdicts.count(verdict)} {word}" for verdict, word in _WORDS.items() if verdict in verdicts)
    lost = "; ".join(
        f"{duel.column} ({measure.shown(duel.ours)} to {measure.shown(duel.theirs)} of {' and '.join(duel.rivals)})"
        for duel in duels
        if duel.verdict == "loss"
    )
    lines = [
        [
            duel.column,
            measure.shown(duel.ours),
            measure.shown(duel.theirs),
            "—" if math.isinf(duel.theirs) else "; ".join(duel.rivals),
            duel.verdict,
        ]
        for duel in duels
    ]
    table = markdown_table(["column", ours, "best rival", "who", "verdict"], lines)
    return f"**{ours}, {measure.title}**: {counts}.{f' Lost: {lost}.' if lost else ''}\n\n{table}"
