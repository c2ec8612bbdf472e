"""Reasons of the prediction for the best architecture: in words, as pictures and as a table."""

from __future__ import annotations

from cluster.report.charts import Frame, chart, figure
from cluster.report.heat import heat_cell, heat_table
from cluster.report.html import Html, tag
from cluster.report.scales import Scale, even
from cluster.report.view import RunView
from mpnas_ray.explaining import Explanation, Swap, in_words
from mpnas_ray.explaining.words import signed

__all__ = ["explanation"]

_ROW = 36.0
_NUM_SWAPS = 3
_NUM_SOURCES = 8


def explanation(run: RunView) -> Html:
    """Show what decides the predicted score of the best architecture."""
    found = run.explanation
    if found is None:
        return tag(
            "p",
            "The best architecture is explained at the end of a search of five whole trainings or more; "
            "mpnas explain --run explains it at any time.",
        )
    words = [tag("p", sentence) for sentence in in_words(found)]
    pictures = tag("div", _slots(found), _sources(found), class_="charts")
    note = (
        "All numbers are in standard deviations of the predicted score over the space, by the predictor after all "
        "whole trainings of this run. The value of a slot is its Shapley value: what its operation adds on average, "
        "whatever the other slots hold. In the first table, a number is the mean effect of an operation in a slot with "
        "everything else random; those of the best architecture are framed. The second one has the best and the worst "
        "swaps of one operation. All of this explains the predictor, which may be wrong about networks."
    )
    return Html("".join(words) + pictures + _effects(found) + _swaps(found) + tag("p", note, class_="note"))


def _slots(found: Explanation) -> Html | None:
    bars = [(f"{slot.slot}: {slot.holds}", slot.value) for slot in found.slots]
    return _bars("Value of each slot", bars, "standard deviations") if bars else None


def _sources(found: Explanation) -> Html | None:
    known = [source for source in found.sources if source.contribution is not None]
    known.sort(key=lambda source: -abs(source.contribution or 0.0))
    bars = [(source.name, source.contribution or 0.0) for source in known[:_NUM_SOURCES]]
    return _bars("What known tasks and the results add", bars, "standard deviations") if bars else None


def _bars(title: str, bars: list[tuple[str, float]], unit: str) -> Html:
    """Draw horizontal bars from 0, one a row, each below its name."""
    rows = Scale(-len(bars) + 0.5, 0.5, ())
    frame = Frame(even(min(0.0, *(value for _, value in bars)), max(0.0, *(value for _, value in bars))), rows)
    frame = Frame(frame.x, rows, height=62 + _ROW * len(bars))
    zero, content = frame.across(0.0), []
    for row, (name, value) in enumerate(bars):
        left, right = sorted((zero, frame.across(value)))
        middle = frame.up(-float(row))
        shape = {"x": left, "y": middle, "width": max(right - left, 1.0), "height": 11.0}
        content.append(
            tag("rect", **shape, class_="bar good" if value >= 0 else "bar bad", data_tip=f"{name}: {value:+.2f}")
        )
        content.append(
            tag("text", f"{name} {value:+.2f}", x=frame.across(frame.x.low) + 4, y=middle - 4, class_="name")
        )
    return figure(title, chart(frame, unit, "", content, label=title))


def _effects(found: Explanation) -> Html:
    held = {slot.slot: slot.holds for slot in found.slots}
    if not held:
        return Html("")
    effects = {(effect.slot, effect.operation): effect.effect for effect in found.effects}
    most = max(map(abs, effects.values())) or 1.0
    rows = []
    for operation in dict.fromkeys(effect.operation for effect in found.effects):
        cells = []
        for slot in held:
            effect = effects.get((slot, operation))
            if effect is None:
                cells.append(tag("td", "·"))
                continue
            tip = f"{operation} in slot {slot}: {effect:+.2f} standard deviations"
            cells.append(heat_cell(signed(effect), effect / most, tip=tip, framed=held[slot] == operation))
        rows.append((operation, cells))
    return heat_table(list(held), rows)


def _swaps(found: Explanation) -> Html:
    if not found.swaps:
        return Html("")
    shown = dict.fromkeys([*range(len(found.swaps))[:_NUM_SWAPS], *range(len(found.swaps))[-_NUM_SWAPS:]])
    heads = ("swap", "score", "standard deviation", *found.costs)
    header = tag("tr", *(tag("th", head) for head in heads))
    rows = [_swap(found.swaps[place], tuple(found.costs)) for place in shown]
    return tag("table", tag("thead", header), tag("tbody", *rows), class_="best swaps")


def _swap(swap: Swap, costs: tuple[str, ...]) -> Html:
    return tag(
        "tr",
        tag("th", f"slot {swap.slot}: {swap.new} for {swap.old}"),
        tag("td", f"{swap.change:+.2f}", data_label="score"),
        tag("td", "not known" if swap.std is None else f"{swap.std:.2f}", data_label="standard deviation"),
        *(tag("td", f"{swap.costs[name]:+,.0f}", data_label=name) for name in costs),
    )
