"""The ten best architectures as a table with small drawings."""

from __future__ import annotations

from cluster.report.cells import small_drawing
from cluster.report.html import Html, number, tag, whole
from cluster.report.view import RunView, TrialView

__all__ = ["ten_best"]

_NUM_ROWS = 10


def ten_best(run: RunView) -> Html:
    """List the best trials with their scores and sizes; the cells of a row stand below each other on a small screen."""
    ranked = run.ranked[:_NUM_ROWS]
    if not ranked:
        return tag("p", "No trial has ended with a finite value yet.")
    heads = ("", run.metric, "architecture", "parameters", "FLOPs", "epochs", "trial")
    header = tag("tr", *(tag("th", head) for head in heads))
    rows = [_row(rank, trial, run) for rank, trial in enumerate(ranked, 1)]
    note = (
        "Whole trainings come before those that were stopped. A drawing shows what the cell computes, from left to "
        "right: a number is the kernel of a convolution, 5/2 one of 5 with dilation 2, L a linear map, A and M average "
        "and maximum pooling; skips are lines, thick where there are several. The pointer tells more."
    )
    table = tag("table", tag("thead", header), tag("tbody", *rows), class_="best")
    return Html(table + tag("p", note, class_="note"))


def _row(rank: int, trial: TrialView, run: RunView) -> Html:
    last = f"{trial.epochs[-1].number}"
    if trial.state == "stopped":
        last += f" of {run.num_epochs}, stopped" if run.num_epochs else ", stopped"
    picture = small_drawing(trial.arch) or tag("code", trial.arch)
    return tag(
        "tr",
        tag("th", str(rank)),
        tag("td", number(trial.value), data_label=run.metric),
        tag("td", picture, data_t=trial.number, class_="picture"),
        tag("td", whole(trial.parameters), data_label="parameters"),
        tag("td", whole(trial.flops), data_label="FLOPs"),
        tag("td", last, data_label="epochs"),
        tag("td", str(trial.number), data_label="trial"),
    )
