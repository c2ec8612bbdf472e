"""Show runs on a terminal: a list of runs, one run, and the screen of one that is under way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cluster.durations import in_words
from cluster.report.html import number, whole
from cluster.report.view import RunView, TrialView
from mpnas_ray.errors import SearchSpaceError
from mpnas_ray.spaces import draw, parse_architecture

__all__ = ["Pace", "list_of_runs", "pace", "screen", "summary"]

_STATE_STYLES = {"running": "green", "complete": "bold", "stopped": "yellow", "damaged": "red"}
_TRIAL_STYLES = {"failed": "red", "nan": "red", "stopped": "yellow"}
_NUM_BEST = 10
_NUM_LAST = 8


@dataclass(frozen=True)
class Pace:
    """The speed of a run.

    Attributes:
        per_hour: Trials that end in an hour, measured from the first training of the newest session on; NaN before two
            trials have ended there.
        left_s: Seconds until the last trial ends at this pace; NaN if the pace or the number of trials is not known.
    """

    per_hour: float
    left_s: float


def pace(run: RunView, now: float) -> Pace:
    """Measure the pace of a run without the time that starting Ray and its workers took.

    Args:
        run: The run.
        now: The time, in seconds since 1970.
    """
    begin = run.sessions[-1][0] if run.sessions else -math.inf
    here = [trial for trial in run.trials if trial.epochs and trial.end >= begin]
    ended = [trial for trial in here if trial.state != "unfinished"]
    if len(ended) < 2:
        return Pace(math.nan, math.nan)
    first = max(begin, min(trial.epochs[0].end - trial.epochs[0].seconds for trial in here))
    seconds = max(trial.end for trial in ended) - first if run.state != "running" else now - first
    if seconds <= 0:
        return Pace(math.nan, math.nan)
    per_second = len(ended) / seconds
    left = math.nan if run.num_samples is None else max(0, run.num_samples - num_ended(run)) / per_second
    return Pace(3600 * per_second, left)


def num_ended(run: RunView) -> int:
    """Count the trials that will not go on."""
    return sum(trial.state != "unfinished" for trial in run.trials)


def list_of_runs(runs: Sequence[RunView], now: float) -> Table:
    """List runs, one a line, in the order given."""
    table = Table("run", "state", "task", "space", "trials", "best", "last result", box=None, pad_edge=False)
    for run in runs:
        best = "-" if run.best is None else f"{run.metric} {number(run.best.validation)}"
        table.add_row(
            run.name,
            _state(run),
            run.facts.get("task", "-"),
            run.facts.get("space", "-"),
            f"{num_ended(run)}/{'?' if run.num_samples is None else run.num_samples}",
            best,
            _age(run, now),
        )
    return table


def summary(run: RunView, now: float) -> Group:
    """Show one run: how it was started, the best architecture, the ten best, and what failed."""
    parts: list[RenderableType] = [_head(run, now), _facts(run)]
    if run.best is not None:
        parts += ["", _answer(run)]
    if run.ranked:
        parts += ["", _trials(run, run.ranked[:_NUM_BEST], f"The {min(_NUM_BEST, len(run.ranked))} best trials")]
    failed = [trial for trial in run.trials if trial.state == "failed"]
    if failed:
        parts += ["", Text(f"{len(failed)} failed, the last one: {failed[-1].error or failed[-1].trial_id}", "red")]
    parts += [Text(problem, "red") for problem in run.problems]
    return Group(*parts)


def screen(run: RunView, now: float) -> Group:
    """Show a run that is under way: its best, the trials that train, the last results, its pace."""
    measured = pace(run, now)
    rate = "" if math.isnan(measured.per_hour) else f", {measured.per_hour:.3g} trials an hour"
    left = "" if math.isnan(measured.left_s) or run.state != "running" else f", {in_words(measured.left_s)} left"
    parts: list[RenderableType] = [_head(run, now), Text(f"{_progress(run)}{rate}{left}")]
    if run.best is not None:
        parts.append(
            _one_line(Text.assemble("best ", (number(run.best.validation), "bold green"), f"  {run.best.arch}"))
        )
    under_way = [trial for trial in run.trials if trial.state == "unfinished"] if run.state == "running" else []
    if under_way:
        parts += ["", _trials(run, under_way, "Under way")]
    ended = [trial for trial in run.trials if trial.state != "unfinished"]
    last = sorted(ended, key=lambda trial: trial.end if trial.epochs else -math.inf, reverse=True)[:_NUM_LAST]
    if last:
        parts += ["", _trials(run, last, "Last results")]
    parts += [Text(problem, "red") for problem in run.problems]
    return Group(*parts)


def _head(run: RunView, now: float) -> Text:
    return Text.assemble((run.name, "bold"), "  ", _state(run), f"  {_age(run, now)}  {run.place}")


def _facts(run: RunView) -> Text:
    return Text(", ".join([*(f"{name} {value}" for name, value in run.facts.items()), _progress(run)]))


def _progress(run: RunView) -> str:
    counts = {state: sum(trial.state == state for trial in run.trials) for state in ("failed", "nan", "stopped")}
    words = {"failed": "failed", "nan": "without a finite metric", "stopped": "stopped early"}
    rest = "".join(f", {count} {words[state]}" for state, count in counts.items() if count)
    return f"{num_ended(run)}/{'?' if run.num_samples is None else run.num_samples} trials{rest}"


def _answer(run: RunView) -> Group:
    best = run.best
    assert best is not None
    lines = [f"validation {run.metric} {number(best.validation)}"]
    if best.test is not None:
        lines.append(f"test {number(best.test)}")
    if best.parameters is not None:
        lines.append(f"{whole(best.parameters)} parameters")
    if best.flops is not None:
        lines.append(f"{whole(best.flops)} FLOPs")
    parts: list[RenderableType] = [Text(best.arch, "bold green"), Text(", ".join(lines))]
    with suppress(SearchSpaceError):
        parts.append(Text(draw(parse_architecture(best.arch))))
    if best.network is not None:
        parts.append(Text(f"trainables.load_network({best.network!r})"))
    return Group(*parts)


def _trials(run: RunView, trials: Sequence[TrialView], title: str) -> Table:
    of_all = "" if run.num_epochs is None else f"/{run.num_epochs}"
    columns = {
        "trial": [Text(str(trial.number)) for trial in trials],
        "epoch": [Text(f"{trial.epochs[-1].number if trial.epochs else 0}{of_all}") for trial in trials],
        run.metric: [_value(trial) for trial in trials],
        "parameters": [Text("-" if trial.parameters is None else whole(trial.parameters)) for trial in trials],
    }
    table = Table(box=None, pad_edge=False, title=title, title_justify="left", title_style="bold")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("architecture")  # not no_wrap: rich narrows columns that may wrap before the others
    for row, trial in enumerate(trials):
        table.add_row(*(cells[row] for cells in columns.values()), _one_line(Text(trial.arch)))
    return table


def _value(trial: TrialView) -> Text:
    return Text("failed" if trial.state == "failed" else number(trial.value), _TRIAL_STYLES.get(trial.state, ""))


def _one_line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _state(run: RunView) -> Text:
    state = "damaged" if run.problems and not run.trials else run.state
    return Text(state, style=_STATE_STYLES[state])


def _age(run: RunView, now: float) -> str:
    last = max((trial.end for trial in run.trials if trial.epochs), default=math.nan)
    return "no result yet" if math.isnan(last) else f"{in_words(max(0.0, now - last))} ago"
