"""Write the curves of a comparison as one page to look around in, offline: plotly's program is in it.

As it stands that program takes 4.8 MB. It is kept gzipped here (2 MB with the curves), and unpacked by what all
browsers since 2023 have (``DecompressionStream``).
"""

from __future__ import annotations

import base64
import gzip
import html

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.offline import get_plotlyjs

from cluster.experiments.comparison.report.plots import FLOOR, looks
from cluster.experiments.comparison.summary.summaries import Comparison

__all__ = ["interactive_page"]

Array = NDArray[np.float64]

_PAGE = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body style="margin:0;height:100vh">
<div id="curves" style="height:100%">Drawing needs JavaScript and a browser of 2023 or later.</div>
<script>
(async () => {{
  const packed = Uint8Array.from(atob("{program}"), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
  const figure = {figure};
  document.getElementById("curves").textContent = "";
  Plotly.newPlot("curves", figure.data, figure.layout, {{responsive: true}});
}})();
</script>
</body>
</html>
"""


def interactive_page(title: str, results: Comparison) -> str:
    """Write the curves as HTML: a menu of the columns, figures under the pointer, a legend that hides methods."""
    figure = _figure(title, results)
    program = base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode()
    # "</" would end the script, wherever it stands
    return _PAGE.format(title=html.escape(title), program=program, figure=figure.to_json().replace("</", "<\\/"))


def _figure(title: str, results: Comparison) -> go.Figure:
    traces, owners = [], []
    for number, ground in enumerate(results.grounds):
        for name in results.methods:
            found = results.find(name, ground.column)
            if found is not None:
                made = _traces(name, found.seeds, *(getattr(found.curve, one) for one in ("median", "low", "high")))
                traces += made
                owners += [number] * len(made)
    buttons = [
        {
            "label": ground.column.searched,
            "method": "update",
            "args": [
                {"visible": [owner == number for owner in owners]},
                {"title.text": _heading(title, ground.column.searched)},
            ],
        }
        for number, ground in enumerate(results.grounds)
    ]
    figure = go.Figure(traces)
    for trace, owner in zip(figure.data, owners, strict=True):
        trace.visible = owner == 0
    figure.update_layout(
        template="plotly_white",
        title={"text": _heading(title, results.grounds[0].column.searched)},
        xaxis={"title": {"text": "queries"}},
        yaxis={"title": {"text": "regret, % of the way from best to median"}, "type": "log", "exponentformat": "power"},
        hovermode="x unified",
        updatemenus=[{"buttons": buttons, "x": 1.0, "xanchor": "right", "y": 1.12, "yanchor": "top"}],
    )
    return figure


def _traces(name: str, seeds: int, median: Array, low: Array, high: Array) -> list[go.Scatter]:
    """Draw the median with its band; one click in the legend hides both."""
    look = looks()[name]
    queries = np.arange(1, len(median) + 1, dtype=np.int16)
    shared = {"legendgroup": name, "line_shape": "hv", "mode": "lines"}
    line = go.Scatter(
        x=queries,
        y=_drawn(median),
        customdata=np.stack([median, low, high], axis=1).astype(np.float32),
        name=f"{name} ({seeds})",
        line={"color": look.colour, "width": look.width, "dash": look.dash, "shape": "hv"},
        hovertemplate="%{customdata[0]:.3g} [%{customdata[1]:.3g}, %{customdata[2]:.3g}]",
        legendgroup=name,
        mode="lines",
    )
    if seeds == 1:
        return [line]
    red, green, blue = (int(look.colour[start : start + 2], 16) for start in (1, 3, 5))
    band = {**shared, "line_width": 0, "showlegend": False, "hoverinfo": "skip", "x": queries}
    fill = f"rgba({red},{green},{blue},{look.alpha})"
    return [
        go.Scatter(y=_drawn(low), **band),
        go.Scatter(y=_drawn(high), fill="tonexty", fillcolor=fill, **band),
        line,
    ]


def _drawn(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Put what lies below the logarithmic scale at its end."""
    return np.maximum(values, FLOOR).astype(np.float32)


def _heading(title: str, task: str) -> str:
    return f"{title}<br><sub>{task}: median over seeds (number in parentheses) and its 95 % interval</sub>"
