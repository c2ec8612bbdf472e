"""The answer: the best architecture as a graph, its scores and sizes, and how to load it."""

from __future__ import annotations

from cluster.report.cells import large_drawing
from cluster.report.html import Html, number, tag, whole
from cluster.report.view import RunView

__all__ = ["answer"]


def answer(run: RunView) -> Html:
    """Show the best architecture so far."""
    best = run.best
    if best is None:
        return tag("p", "There is no answer yet: no trial has ended with a finite value.")
    test = number(best.test) if best.test is not None else "after the last trial"
    rows = [
        ("validation", f"{number(best.validation)}", f"{run.metric}{_direction(run.mode)}, by which it was chosen"),
        ("test", test, "computed once, after the choice"),
        ("parameters", whole(best.parameters), "trainable, dead operations included"),
        ("FLOPs", whole(best.flops), "multiply-adds for one input"),
    ]
    cells = [
        tag("div", tag("dt", name), tag("dd", tag("b", value), tag("small", explained)))
        for name, value, explained in rows
    ]
    return tag(
        "div",
        tag(
            "div",
            large_drawing(best.arch) or tag("p", "This version cannot draw the architecture."),
            class_="drawing",
        ),
        tag(
            "div",
            tag("dl", *cells, class_="figures"),
            tag("p", tag("code", best.arch), class_="arch"),
            _use(best.network),
        ),
        class_="answer",
    )


def _direction(mode: str | None) -> str:
    return {"min": " (lower is better)", "max": " (higher is better)"}.get(mode or "", "")


def _use(network: str | None) -> Html:
    if network is None:
        return tag("p", "Its trained network is written at the end of the run, into the folder best/ of the run.")
    lines = f"from trainables import load_network\n\nnetwork = load_network({network!r})\noutputs = network(inputs)"
    return tag("pre", tag("code", lines))
