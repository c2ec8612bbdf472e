"""Charts of the studies of rank correlations, for their pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cluster.experiments.studies.ranking.pages import number
from cluster.experiments.studies.ranking.rows import Rows
from cluster.report.charts import Frame
from cluster.report.html import Html, tag
from cluster.report.methods.curves import Curve, curves_chart, keys_of_methods
from cluster.report.methods.looks import looks_of
from cluster.report.scales import Scale, even

__all__ = ["curves", "heat_maps"]


def curves(rows: Rows, targets: Sequence[str], methods: Sequence[str], points: Sequence[int]) -> list[Html]:
    """Draw a chart a target: mean and standard error of each method against the number of fine-tuning models."""
    looks = looks_of(methods, focus=methods[0])
    drawn = {target: [_curve(rows, method, target, points) for method in methods] for target in targets}
    ends = [end for found in drawn.values() for curve in found for end in (*curve.low, *curve.high) if np.isfinite(end)]
    ticks = tuple((float(count), str(count)) for count in points)
    frame = Frame(Scale(0.85 * points[0], 1.1 * points[-1], ticks, log=True), even(min(ends), max(ends)))
    labels = ("fine-tuning models", "Spearman correlation")
    charts = [curves_chart(target, frame, labels, found, looks) for target, found in drawn.items()]
    note = (
        "Means over draws of the fine-tuning models. The band is the standard error on both sides, of the method that "
        "is chosen by its key or under the pointer."
    )
    return [
        keys_of_methods(looks),
        tag("section", tag("div", *charts, class_="charts"), tag("p", note, class_="note")),
    ]


def _curve(rows: Rows, method: str, target: str, points: Sequence[int]) -> Curve:
    found = [rows.find(method, target, count) for count in points]
    means = [np.nan if row is None else row.estimate.mean for row in found]
    errors = [0.0 if row is None else row.estimate.standard_error or 0.0 for row in found]
    tip = "\n".join(
        f"{count} models: {mean:.3f} ± {error:.3f}"
        for count, mean, error in zip(points, means, errors, strict=True)
        if np.isfinite(mean)
    )
    return Curve(
        method,
        list(zip(map(float, points), means, strict=True)),
        [mean - error for mean, error in zip(means, errors, strict=True)],
        [mean + error for mean, error in zip(means, errors, strict=True)],
        tip=tip,
    )


def heat_maps(maps: Mapping[str, tuple[Sequence[str], NDArray[np.float64]]]) -> list[Html]:
    """Write square matrices as tables, title -> (names, values ``[source, target]`` between -1 and 1)."""
    return [
        tag(
            "section",
            tag("h2", title),
            tag(
                "table",
                tag("tr", tag("th", "source"), *(tag("th", str(place)) for place in range(1, len(names) + 1))),
                *(_row(place, names, line) for place, line in enumerate(matrix.tolist())),
                class_="heat",
            ),
            tag("p", "A column is the target of the same number. The pointer tells the names.", class_="note"),
        )
        for title, (names, matrix) in maps.items()
    ]


def _row(place: int, names: Sequence[str], line: Sequence[float]) -> Html:
    cells = (
        tag(
            "td",
            number(value),
            class_="good" if value >= 0 else "bad",
            style=f"--share:{abs(value):.2f}",
            data_tip=f"{names[place]} ranks {target}: {value:.3f}",
        )
        for value, target in zip(line, names, strict=True)
    )
    return tag("tr", tag("th", f"{place + 1} {names[place]}"), *cells)
