"""The marks of trials in all charts, their descriptions, and the choice of those to draw where there are too many."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cluster.report.charts import Frame, legend, mark_key
from cluster.report.html import Html, number, whole
from cluster.report.view import RunView, TrialView

__all__ = ["MOST_DRAWN", "about", "drawn", "mark_of", "trials_legend"]

MOST_DRAWN = 900
"""Most trials drawn in a chart: more could not be told apart, and the page would grow without end."""

_LOOKS = {
    "complete": ("circle", "complete", "trained to the end"),
    "stopped": ("triangle", "stopped", "stopped early"),
    "unfinished": ("diamond", "unfinished", "unfinished"),
    "nan": ("plus", "nan", "value not finite"),
    "failed": ("cross", "failed", "failed"),
}
"""State -> shape, class and words."""


def mark_of(frame: Frame, trial: TrialView, x: float, y: float, *, best: bool = False) -> Html:
    """Draw the mark of a trial; the best one is a star."""
    shape, look, _ = _LOOKS[trial.state]
    return frame.mark(x, y, "star" if best else shape, "best" if best else look, trial=trial.number)


def trials_legend(trials: Sequence[TrialView], *others: Html, best: bool = True) -> Html:
    """Explain the marks of those trials that are there."""
    there = {trial.state for trial in trials}
    keys = [mark_key(shape, look, words) for state, (shape, look, words) in _LOOKS.items() if state in there]
    return legend(*([mark_key("star", "best", "best")] if best else []), *keys, *others)


def about(trial: TrialView, run: RunView) -> str:
    """Say what is known of a trial, a line for each thing."""
    lines = [f"Trial {trial.number}, {_LOOKS[trial.state][2]}"]
    if math.isfinite(trial.value):
        lines.append(f"{run.metric} {number(trial.value)} after epoch {trial.epochs[-1].number}")
    if trial.error:
        lines.append(trial.error)
    if trial.proposal.predicted is not None:
        lines.append(f"predicted {number(trial.proposal.predicted)}, rank {whole(trial.proposal.rank)}")
    if trial.parameters is not None:
        sizes = f"{whole(trial.parameters)} parameters"
        lines.append(sizes if trial.flops is None else f"{sizes}, {whole(trial.flops)} FLOPs")
    lines += [f"{name} {value}" for name, value in trial.hyperparameters.items()]
    return "\n".join([*lines, trial.arch])


def drawn(run: RunView) -> list[TrialView]:
    """Choose the trials to draw: all, or the best third of the most and others evenly over the run."""
    if len(run.trials) <= MOST_DRAWN:
        return list(run.trials)
    best = {trial.number for trial in run.ranked[: MOST_DRAWN // 3]}
    others = [trial for trial in run.trials if trial.number not in best]
    every = len(others) / (MOST_DRAWN - len(best))
    kept = best | {others[int(place * every)].number for place in range(MOST_DRAWN - len(best))}
    return [trial for trial in run.trials if trial.number in kept]
