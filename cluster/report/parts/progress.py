"""The best value so far, over trials and over time, with all trials as points."""

from __future__ import annotations

import math

from cluster.report.charts import Frame, chart, figure, line_key
from cluster.report.html import Html, tag
from cluster.report.scales import counts, robust, time_scale
from cluster.report.trials import drawn, mark_of, trials_legend
from cluster.report.view import RunView, best_so_far

__all__ = ["progress"]

_LANE = 24.0


def progress(run: RunView) -> Html:
    """Draw both charts."""
    trials = [trial for trial in run.trials if trial.epochs or trial.state == "failed"]
    if not trials:
        return tag("p", "No trial has reported yet.")
    shown = {trial.number for trial in drawn(run)}
    values = robust(trial.value for trial in trials)
    lane = 0.0 if all(math.isfinite(trial.value) for trial in trials) else _LANE
    best = run.best_number
    num_epochs = run.num_epochs or 0

    def made(title: str, name: str, frame: Frame, places: list[float]) -> Html:
        together = sorted(zip(places, trials, strict=True), key=lambda each: each[0])
        found = best_so_far([trial.value if trial.state == "complete" else math.nan for _, trial in together], run.mode)
        steps = [(place, value) for (place, _), value in zip(together, found, strict=True)]
        steps.append((frame.x.high, found[-1]))
        marks = [
            mark_of(frame, trial, place, trial.value, best=trial.number == best)
            for place, trial in sorted(together, key=lambda each: each[1].number == best)  # above all others
            if trial.number in shown
        ]
        line = frame.line(steps, "so-far", steps=True)
        picture = chart(frame, name, run.metric, [line, *marks], label=f"Best {run.metric} so far, by {name}")
        return figure(title, picture)

    by_number = Frame(counts(max(trial.number for trial in trials)), values, lane=lane)
    seconds = [run.clock(trial.end) if trial.epochs else math.nan for trial in trials]
    longest = max((each for each in seconds if math.isfinite(each)), default=1.0)
    seconds = [each if math.isfinite(each) else longest for each in seconds]
    time = time_scale(longest)
    by_time = Frame(time.scale, values, lane=lane)
    so_far = line_key("so-far", "best so far" + (f" of trainings of {num_epochs} epochs" if num_epochs else ""))
    note = "The architecture of a point is shown where the pointer is. Values far from all others are at the edge."
    return Html(
        tag(
            "div",
            made("Over trials", "trial", by_number, [float(trial.number) for trial in trials]),
            made("Over time", f"{time.unit} of search", by_time, [each / time.seconds for each in seconds]),
            class_="charts",
        )
        + trials_legend(trials, so_far, best=best is not None)
        + tag("p", note, class_="note")
    )
