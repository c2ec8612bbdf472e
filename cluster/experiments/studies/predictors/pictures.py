"""The picture of the predictor study (matplotlib, without its global state)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cluster.experiments.studies.predictors.charts import TIMED_AT, fitted_methods
from cluster.experiments.studies.predictors.methods import META_LEARNED
from cluster.experiments.studies.predictors.page import groups_of
from cluster.experiments.studies.predictors.results import Results
from cluster.report.methods.looks import looks_of
from cluster.report.methods.pictures import line_style
from mpnas_ray.files.atomic import atomic_path

__all__ = ["save_picture"]


def save_picture(results: Results, path: Path) -> None:
    """Draw one column a group: tau against training architectures above, the time of fit and query below."""
    groups = [group for group in groups_of(results) if group.sizes]
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.4 * len(groups), 8.0), layout="constrained")
    panels = figure.subplots(2, len(groups), squeeze=False)
    fitted = fitted_methods(results, groups)
    looks = looks_of(fitted, focus=META_LEARNED if META_LEARNED in fitted else None)
    for (above, below), group in zip(panels.T, groups, strict=True):
        for name in fitted:
            found = [results.estimate(name, group.targets, size) for size in group.sizes]
            means = [np.nan if one is None else one.mean for one in found]
            style = line_style(looks[name])
            above.plot(group.sizes, means, **{**style, "markevery": 1}, label=name)
            size = TIMED_AT if TIMED_AT in group.sizes else group.sizes[-1]
            estimate = results.estimate(name, group.targets, size)
            seconds = results.seconds(name, group.targets, size)
            if estimate is None or seconds is None:
                continue
            fit, query = (max(value, 1e-6) for value in seconds)
            below.scatter(fit, query, s=8 + 250 * max(estimate.mean, 0.0), color=style["color"], alpha=0.75)
            below.annotate(f"{name} {estimate.mean:.2f}", (fit, query), fontsize=6, ha="center", va="center")
        above.set_xscale("log")
        above.set_title(group.title, fontsize=10)
        above.set_xlabel("training architectures")
        above.grid(alpha=0.3)
        below.set_xscale("log")
        below.set_yscale("log")
        below.set_xlabel(f"CPU seconds to fit {TIMED_AT} architectures")
        below.grid(alpha=0.3)
    panels[0, 0].set_ylabel("Kendall's tau")
    panels[1, 0].set_ylabel("CPU seconds a query; areas are tau")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize=8, frameon=False, handlelength=4)
    with atomic_path(path) as part:
        figure.savefig(part, format="png", dpi=100)
