"""Use of the time: slots for trials, busy or waiting, and refits."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.durations import in_words
from cluster.report.charts import Frame, chart, figure, legend
from cluster.report.html import Html, tag
from cluster.report.scales import Scale, time_scale
from cluster.report.view import RunView, TrialView

__all__ = ["Busy", "busy_times", "in_slots", "slots"]

_ROW = 22.0
_SLACK_S = 1.5
"""Epochs of a trial that are no further apart are one piece: reports carry whole seconds."""

_MOST_ROWS = 64
_MOST_PIECES = 1_500
"""Pieces that are drawn one by one; of more, those of a slot with no visible gap between them are drawn as one."""

_VISIBLE = 1 / 500
"""Share of the whole time that can be seen."""


@dataclass(frozen=True)
class Busy:
    """A piece of time in which a trial was trained.

    Attributes:
        trial: The trial; None for several.
        begin: Beginning, in seconds since 1970.
        end: End.
    """

    trial: TrialView | None
    begin: float
    end: float


def slots(run: RunView) -> Html:
    """Draw the slots by time."""
    pieces = busy_times(run.trials)
    if not pieces or not run.sessions:
        return tag("p", "No training has reported its time yet.")
    placed = in_slots(pieces)
    needed = max(slot for slot, _ in placed) + 1
    rows = max(needed, run.slots or 0)
    whole = sum(end - begin for begin, end in run.sessions)
    time = time_scale(whole)
    scale, unit, seconds = time.scale, time.unit, time.seconds
    refits = [ranking for ranking in run.rankings if ranking.seconds > 0][-_MOST_PIECES:]
    drawn_rows = min(rows, _MOST_ROWS)
    levels = [*(f"slot {n + 1}" for n in range(drawn_rows)), *(["refits"] if refits else [])]
    size = _ROW if len(levels) <= 16 else _ROW * 16 / len(levels)
    frame = Frame(scale, _rows(levels), height=62 + size * len(levels))
    bars = [_bar(frame, 0.0, whole / seconds, row, size, "waiting") for row in range(len(levels))]
    if len(placed) > _MOST_PIECES:
        placed = _joined(placed, _VISIBLE * whole)
    for slot, piece in placed:
        if slot < drawn_rows:
            begin, end = run.clock(piece.begin) / seconds, run.clock(piece.end) / seconds
            number, tip = (None, "several trainings") if piece.trial is None else (piece.trial.number, None)
            bars.append(_bar(frame, begin, end, slot, size, "busy", trial=number, tip=tip))
    for ranking in refits:
        end = run.clock(ranking.time) / seconds
        tip = f"ranking with {ranking.points} results: {in_words(ranking.seconds)}"
        bars.append(_bar(frame, end - ranking.seconds / seconds, end, drawn_rows, size, "refit", tip=tip))
    bars += [_session_end(frame, run.clock(end) / seconds) for _, end in run.sessions[:-1]]
    keys = [
        _key("busy", "training"),
        _key("waiting", "waiting"),
        *([_key("refit", "refit, beside the trials")] if refits else []),
    ]
    picture = chart(frame, f"{unit} of search", "", bars, label="Slots for trials by time")
    return Html(
        figure("Slots by time", picture, legend(*keys), wide=True) + tag("p", _summary(run, rows, whole), class_="note")
    )


def busy_times(trials: tuple[TrialView, ...]) -> list[Busy]:
    """Join the epochs of each trial to pieces without a break, in the order of time."""
    pieces: list[Busy] = []
    for trial in trials:
        open_piece: Busy | None = None
        for epoch in trial.epochs:
            if epoch.seconds <= 0:
                continue
            begin = epoch.end - epoch.seconds
            if open_piece is not None and begin - open_piece.end <= _SLACK_S:
                open_piece = Busy(trial, open_piece.begin, max(epoch.end, open_piece.end))
                pieces[-1] = open_piece
            else:
                open_piece = Busy(trial, begin, epoch.end)
                pieces.append(open_piece)
    return sorted(pieces, key=lambda piece: piece.begin)


def in_slots(pieces: list[Busy]) -> list[tuple[int, Busy]]:
    """Give each piece the first slot that is free; reports carry whole seconds, so pieces may overlap by one."""
    free: list[float] = []
    placed = []
    for piece in pieces:
        fitting = [slot for slot, end in enumerate(free) if end <= piece.begin + _SLACK_S]
        slot = min(fitting, key=lambda slot: free[slot]) if fitting else len(free)
        if slot == len(free):
            free.append(piece.end)
        free[slot] = piece.end
        placed.append((slot, piece))
    return placed


def _joined(placed: list[tuple[int, Busy]], gap: float) -> list[tuple[int, Busy]]:
    """Join the pieces of each slot that have a smaller gap between them."""
    newest: dict[int, int] = {}
    joined: list[tuple[int, Busy]] = []
    for slot, piece in placed:
        at = newest.get(slot)
        if at is not None and piece.begin - joined[at][1].end <= gap:
            joined[at] = (slot, Busy(None, joined[at][1].begin, piece.end))
        else:
            newest[slot] = len(joined)
            joined.append((slot, piece))
    return joined


def _summary(run: RunView, rows: int, whole: float) -> str:
    busy = sum(epoch.seconds for trial in run.trials for epoch in trial.epochs)
    share = min(1.0, busy / (rows * whole)) if whole else 0.0
    ranking = sum(each.seconds for each in run.rankings)
    several = f" in {len(run.sessions)} sessions" if len(run.sessions) > 1 else ""
    return (
        f"{in_words(whole)} of search{several} in {rows} {'slot' if rows == 1 else 'slots'}: trainings took "
        f"{in_words(busy)}, {share:.0%} of the time of all slots. The rest, {1 - share:.0%}, they waited, for the "
        "start of processes, data and proposals. "
        f"Rankings took {in_words(ranking)}, beside the trials."
    )


def _rows(levels: list[str]) -> Scale:
    """A scale on which row n, from above, has its middle at -n."""
    every = max(1, len(levels) // 16)
    ticks = [(-float(n), text) for n, text in enumerate(levels) if n % every == 0 or n == len(levels) - 1]
    return Scale(-len(levels) + 0.5, 0.5, tuple(ticks))


def _bar(
    frame: Frame,
    begin: float,
    end: float,
    row: int,
    size: float,
    look: str,
    *,
    trial: int | None = None,
    tip: str | None = None,
) -> Html:
    left, right = frame.across(begin), frame.across(end)
    height = size * (0.72 if look != "waiting" else 0.3)
    return tag(
        "rect",
        x=left,
        y=frame.up(-float(row)) - height / 2,
        width=max(right - left, 1.0),
        height=height,
        class_=look,
        data_t=trial,
        data_tip=tip,
    )


def _session_end(frame: Frame, at: float) -> Html:
    x = frame.across(at)
    return tag("line", x1=x, x2=x, y1=10.0, y2=frame.bottom, class_="level")


def _key(look: str, text: str) -> Html:
    height = 5.0 if look == "waiting" else 10.0
    bar = tag("rect", x=2, y=8 - height / 2, width=28, height=height, class_=look)
    return tag("span", tag("svg", bar, viewBox="0 0 32 16", class_="long", aria_hidden="true"), text)
