"""The answer: the best architecture as a graph, its scores and sizes, and how to load it."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.report.cells import large_drawing
from cluster.report.html import Html, number, tag, whole
from cluster.report.view import RunView

__all__ = ["answer", "direction", "drawing", "figures", "how_to_load"]


def answer(run: RunView) -> Html:
    """Show the best architecture so far."""
    best = run.best
    if best is None:
        return tag("p", "There is no answer yet: no trial has ended with a finite value.")
    test = number(best.test) if best.test is not None else "after the last trial"
    rows = [
        ("validation", f"{number(best.validation)}", f"{run.metric}{direction(run.mode)}, by which it was chosen"),
        ("test", test, "computed once, after the choice"),
        ("parameters", whole(best.parameters), "trainable, dead operations included"),
        ("FLOPs", whole(best.flops), "multiply-adds for one input"),
    ]
    return tag(
        "div",
        tag("div", drawing(best.arch), class_="drawing"),
        tag(
            "div",
            figures(rows),
            tag("p", tag("code", best.arch), class_="arch"),
            _use(best.network),
        ),
        class_="answer",
    )


def drawing(arch: str) -> Html:
    """Draw an architecture, or say that there is no drawing: for other networks, and for spaces of later versions."""
    return large_drawing(arch) or tag("p", "There is no drawing of this network.")


def figures(rows: Sequence[tuple[str, str, str]]) -> Html:
    """Show (name, value, explanation) of the numbers that matter, large."""
    cells = [
        tag("div", tag("dt", name), tag("dd", tag("b", value), tag("small", explained)))
        for name, value, explained in rows
    ]
    return tag("dl", *cells, class_="figures")


def how_to_load(network: str) -> Html:
    """Show the lines of Python that load a network."""
    lines = f"from trainables import load_network\n\nnetwork = load_network({network!r})\noutputs = network(inputs)"
    return tag("pre", tag("code", lines))


def direction(mode: str | None) -> str:
    """Say which way a metric is better."""
    return {"min": " (lower is better)", "max": " (higher is better)"}.get(mode or "", "")


def _use(network: str | None) -> Html:
    if network is None:
        return tag("p", "Its trained network is written at the end of the run, into the folder best/ of the run.")
    return how_to_load(network)
