"""The page of a run of supernets: chosen cells, and the courses of scores, skips, weights and curvature."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from cluster.artifacts.supernets.report import SupernetReport, TrainedSupernet
from cluster.report.cells import small_drawing
from cluster.report.charts import Frame, chart, figure, legend, line_key
from cluster.report.document import document
from cluster.report.html import Html, number, tag, whole
from cluster.report.scales import counts, even, robust
from mpnas_ray.spaces import KINDS, get_space
from trainables.oneshot.skeleton import skeleton_of

__all__ = ["supernet_page"]

_LOOKS = ("rank-1", "rank-2", "rank-3")

Epochs = Sequence[Mapping[str, Any]]
"""Results of a supernet after each epoch."""


def supernet_page(report: SupernetReport, epochs: Mapping[str, Epochs]) -> str:
    """Write the report of a run as one HTML page.

    Args:
        report: Report of the run.
        epochs: Name of each supernet -> its results after each epoch.
    """
    key = f"validation_{report.metric}"
    facts = (("preset", report.preset), ("protocol", report.protocol))
    header = tag(
        "header",
        tag("h1", f"Supernets of {report.space} on {report.task}"),
        tag("p", *(tag("span", tag("b", name), f" {value}") for name, value in facts), class_="facts"),
        tag("p", tag("code", report.folder), class_="place"),
    )
    courses = [
        _course("The chosen cell's metric with shared weights", key, epochs, report.metric),
        _course("Skips of the chosen cell: many are a sign of collapse", "num_skips", epochs, "skips"),
        _course("Entropy of the logits, the mean over slots", "entropy", epochs, "nats"),
        _course("Largest curvature of the loss in the logits", "curvature", epochs, "eigenvalue"),
    ]
    sections = [
        tag("section", tag("h2", "Chosen cells"), _table(report), id="cells"),
        tag("section", tag("h2", "Courses"), *courses, id="courses"),
        tag("section", tag("h2", "Weights of operations"), *_weights(report, epochs), id="weights"),
        tag("section", tag("h2", "Cells over epochs"), *_cells(epochs), id="changes"),
    ]
    return document(f"Supernets on {report.task}", header, *sections)


def _table(report: SupernetReport) -> Html:
    heads = ("", report.metric, "cell", "skips", "epochs", "seconds", "memory in MB", "parameters")
    rows = [_row(each, report.metric) for each in report.supernets]
    note = (
        "The metric is that of the cell with the weights of the supernet, on the validation part; it is no score of a "
        "training. Memory is the most that was taken, on CPUs by the whole process."
    )
    table = tag(
        "table", tag("thead", tag("tr", *(tag("th", head) for head in heads))), tag("tbody", *rows), class_="best"
    )
    return Html(table + tag("p", note, class_="note"))


def _row(each: TrainedSupernet, metric: str) -> Html:
    ended = f"{each.epochs}: {each.stopped}" if each.stopped else str(each.epochs)
    return tag(
        "tr",
        tag("th", each.name),
        tag("td", number(each.score), data_label=metric),
        tag("td", small_drawing(each.arch) or tag("code", each.arch), class_="picture"),
        tag("td", str(each.num_skips), data_label="skips"),
        tag("td", ended, data_label="epochs"),
        tag("td", f"{each.seconds:.0f}", data_label="seconds"),
        tag("td", f"{each.peak_bytes / 1e6:.0f}", data_label="memory in MB"),
        tag("td", whole(each.parameters), data_label="parameters"),
    )


def _course(title: str, key: str, epochs: Mapping[str, Epochs], label: str) -> Html | None:
    """Draw one number of all supernets over epochs; None if none has reported it."""
    lines = {
        name: [(float(result["epoch"]), float(result[key])) for result in results if result.get(key) is not None]
        for name, results in epochs.items()
    }
    return _lines(title, {name: points for name, points in lines.items() if points}, label)


def _lines(title: str, lines: Mapping[str, Sequence[tuple[float, float]]], label: str) -> Html | None:
    """Draw lines over epochs, the first three with a look of their own; each says its name under the pointer."""
    values = [value for points in lines.values() for _, value in points if math.isfinite(value)]
    if not values:
        return None
    last = max(epoch for points in lines.values() for epoch, _ in points)
    scale = even(min(values), max(values)) if len(set(values)) < 10 else robust(values)
    frame = Frame(counts(last), scale)
    look = {name: _LOOKS[place] if place < len(_LOOKS) else "others" for place, name in enumerate(lines)}
    drawn = [frame.line(points, look[name], tip=name) for name, points in reversed(list(lines.items()))]
    keys = [line_key(look[name], name) for name in list(lines)[: len(_LOOKS)]]
    if len(lines) > len(_LOOKS):
        keys.append(line_key("others", "others"))
    return figure(title, chart(frame, "epoch", label, drawn, label=f"{title}, by epoch"), legend(*keys))


def _weights(report: SupernetReport, epochs: Mapping[str, Epochs]) -> list[Html]:
    """Draw for each supernet with logits the mean weight of each operation over the slots that have it."""
    space, _, family = report.space.partition(":")
    slots = skeleton_of(get_space(space), family or None).slots
    figures = []
    for name, results in epochs.items():
        lines: dict[str, list[tuple[float, float]]] = {}
        for result in results:
            of_kind: dict[str, list[float]] = {}
            for slot, row in zip(slots, result.get("weights") or (), strict=False):
                for kind, weight in zip(slot.kinds, row, strict=False):
                    operation = "absent" if kind < 0 else KINDS[kind]
                    of_kind.setdefault(operation, []).append(weight)
            for operation, weights in of_kind.items():
                lines.setdefault(operation, []).append((float(result["epoch"]), sum(weights) / len(weights)))
        by_weight = dict(sorted(lines.items(), key=lambda line: -line[1][-1][1]))
        drawn = _lines(f"{name}: mean weight of each operation, the heaviest first", by_weight, "weight")
        if drawn is not None:
            figures.append(drawn)
    return figures or [tag("p", "These methods weight no operations.")]


def _cells(epochs: Mapping[str, Epochs]) -> list[Html]:
    """List for each supernet the cells that it chose, with the epochs of each."""
    parts = []
    for name, results in epochs.items():
        rows = []
        for arch, group in groupby(results, key=lambda result: str(result["arch"])):
            numbers = [result["epoch"] for result in group]
            span = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
            rows.append(tag("tr", tag("th", span), tag("td", small_drawing(arch) or tag("code", arch))))
        table = tag("table", tag("tbody", *rows), class_="best")
        parts.append(tag("details", tag("summary", f"{name}: {len(rows)} cells one after another"), table))
    return parts
