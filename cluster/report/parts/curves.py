"""Learning curves of all trials."""

from __future__ import annotations

import math

from cluster.report.charts import Frame, chart, figure, legend, line_key
from cluster.report.html import Html, tag
from cluster.report.scales import counts, robust
from cluster.report.trials import drawn
from cluster.report.view import RunView, TrialView

__all__ = ["curves"]

_MOST_POINTS = 9_000
"""Points in all curves together, which are some 12 bytes each; long curves are thinned."""

_NUM_NAMED = 3


def curves(run: RunView) -> Html:
    """Draw the metric after each epoch: the best three by their rank, all others in grey."""
    trials = [trial for trial in drawn(run) if trial.epochs]
    if not any(len(trial.epochs) > 1 for trial in trials):
        return tag("p", "No trial has reported more than one epoch: there are no curves to draw.")
    named = run.ranked[:_NUM_NAMED]
    points = max(8, _MOST_POINTS // len(trials))
    last = max(trial.epochs[-1].number for trial in trials)
    frame = Frame(counts(max(last, run.num_epochs or 0)), robust(e.value for t in trials for e in t.epochs), 340.0)
    best = {trial.number for trial in named}
    lines = [_curve(frame, trial, "others", points) for trial in trials if trial.number not in best]
    lines += [_curve(frame, trial, f"rank-{rank}", points) for rank, trial in reversed(list(enumerate(named, 1)))]
    ends = [_end(frame, trial) for trial in trials if trial.number not in best]
    keys = [line_key(f"rank-{rank}", f"{_ordinal(rank)} (trial {trial.number})") for rank, trial in enumerate(named, 1)]
    return Html(
        figure(
            "The metric on the validation part after each epoch",
            chart(frame, "epoch", run.metric, [*lines, *ends], label=f"{run.metric} by epoch, a line a trial"),
            legend(*keys, line_key("others", "other trials")),
            wide=True,
        )
    )


def _curve(frame: Frame, trial: TrialView, look: str, most: int) -> Html:
    epochs = [epoch for epoch in trial.epochs if math.isfinite(epoch.value)]
    every = math.ceil(len(epochs) / most) or 1
    kept = [*epochs[:-1:every], *epochs[-1:]]
    return frame.line([(epoch.number, epoch.value) for epoch in kept], look, trial=trial.number)


def _end(frame: Frame, trial: TrialView) -> Html:
    """Mark where a curve ends, so that those of one epoch are seen, too."""
    last = trial.epochs[-1]
    return (
        frame.mark(last.number, last.value, "circle", "dot", trial=trial.number)
        if math.isfinite(last.value)
        else Html()
    )


def _ordinal(rank: int) -> str:
    return ("best", "second", "third")[rank - 1]
