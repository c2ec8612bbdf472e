"""Describe a table of ours, its noise and the agreement of its tasks: benchmarks/results/mini_table.{json,md,png}.

    python benchmarks/mini_table.py

Reads the table that comes with the package, or another of `mpnas tables build`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from timing import RESULTS, facts, write_results

from cluster.experiments.studies.ranking.plots import save_heat_maps
from mpnas_ray.spaces import KINDS, get_space
from mpnas_ray.stats import spearman
from mpnas_ray.tables import BUNDLED_TABLE, LearningCurves, read_curves

EARLY = (1, 3, 9)


def correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float | None:
    finite = np.isfinite(one) & np.isfinite(other)
    return float(spearman(one[finite], other[finite])) if finite.sum() > 2 else None


def facts_of(curves: LearningCurves) -> dict[str, Any]:
    sign = 1.0 if curves.mode == "max" else -1.0
    last, first_seed = curves.scores[:, -1], curves.seeds == 0
    texts = np.array([str(arch) for arch in curves.archs])
    second = np.flatnonzero(curves.seeds == 1)
    row_of = {text: row for row, text in enumerate(texts) if curves.seeds[row] == 0}
    pairs = np.array([(row_of[texts[row]], row) for row in second if texts[row] in row_of], dtype=int).reshape(-1, 2)
    differences = last[pairs[:, 0]] - last[pairs[:, 1]]
    epochs = curves.scores.shape[1]
    return {
        "archs": int(first_seed.sum()),
        "repeated": len(pairs),
        "not_finite": int((~np.isfinite(last)).sum()),
        "epochs": epochs,
        "metric": curves.metric,
        "mode": curves.mode,
        "settings": dict(curves.settings),
        "quantiles": {str(q): float(np.nanquantile(last[first_seed], q)) for q in (0.0, 0.25, 0.5, 0.75, 1.0)},
        "spread": float(np.nanstd(last[first_seed])),
        "noise": float(np.sqrt(np.nanmean(np.square(differences)) / 2)) if len(pairs) else None,
        "seeds_agree": correlation(last[pairs[:, 0]], last[pairs[:, 1]]),
        "test_agrees": correlation(last[first_seed], curves.test[first_seed]),
        "parameters_agree": correlation(sign * last[first_seed], curves.parameters[first_seed].astype(float)),
        "early": {
            str(epoch): correlation(curves.scores[first_seed, epoch - 1], last[first_seed])
            for epoch in EARLY
            if epoch < epochs
        },
        "seconds": float(curves.seconds.sum()),
    }


def agreement(every: dict[str, LearningCurves]) -> NDArray[np.float64]:
    """Spearman correlation of the scores of the architectures that two tasks have in common."""
    tasks = [one.table_task() for one in every.values()]
    scores = [dict(zip(map(str, task.archs), task.scores, strict=True)) for task in tasks]
    matrix = np.eye(len(tasks))
    for row, one in enumerate(scores):
        for column, other in enumerate(scores):
            common = [arch for arch in one if arch in other]
            found = correlation(np.array([one[a] for a in common]), np.array([other[a] for a in common]))
            matrix[row, column] = np.nan if found is None else found
    return matrix


def kinds_in(every: dict[str, LearningCurves]) -> dict[str, int]:
    """Count the architectures that have each operation."""
    longest = max(every.values(), key=len)
    kinds = longest.archs[np.flatnonzero(longest.seeds == 0)].graphs().kinds
    return {name: int((kinds == number).any(axis=1).sum()) for number, name in enumerate(KINDS[:11])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, default=BUNDLED_TABLE)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    every = read_curves(given.table)
    matrix = agreement(every)
    content = {
        **facts("torch", "numpy", "pyarrow"),
        "space": next(iter(every.values())).archs.space.name,
        "bytes": given.table.stat().st_size,
        "tasks": {name: facts_of(curves) for name, curves in every.items()},
        "operations": kinds_in(every),
        "agreement": {"tasks": list(every), "spearman": matrix.tolist()},
    }
    write_results(given.out, "mini_table", content, page(content))
    save_heat_maps({"Spearman correlation": (list(every), matrix)}, given.out / "mini_table.png")


def number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None or not np.isfinite(value) else f"{value:.{digits}f}"


def page(content: dict[str, Any]) -> list[str]:
    tasks = content["tasks"]
    seconds = sum(about["seconds"] for about in tasks.values())
    trainings = sum(about["archs"] + about["repeated"] for about in tasks.values())
    lines = [
        f"# Our own table: {get_space(content['space']).name}, {len(tasks)} tasks",
        "",
        f"`{content['command']}`, {content['machine']}, {content['versions']}.",
        "",
        f"{trainings:,} trainings, {seconds / 3600:.1f} hours of one core, {content['bytes'] / 1e6:.2f} MB. Made by",
        "`mpnas tables build` with networks of the small preset (one cell a stack, 8 channels). Noise is the standard",
        "deviation between seeds of one architecture, spread that between architectures;",
        "two seeds agree: Spearman correlation of the first and second training of the architectures that have both.",
        "",
        "| task | epochs | samples | architectures (twice) | worst | median | best | spread | noise | two seeds agree "
        "| test agrees | parameters agree |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, about in tasks.items():
        low, middle, high = (about["quantiles"][q] for q in ("0.0", "0.5", "1.0"))
        worst, best = (low, high) if about["mode"] == "max" else (high, low)
        lines.append(
            f"| {name}, {about['metric']} | {about['epochs']} | {about['settings']['num_train']} "
            f"| {about['archs']} ({about['repeated']}) | {worst:.3f} | {middle:.3f} | {best:.3f} "
            f"| {number(about['spread'], 3)} | {number(about['noise'], 3)} | {number(about['seeds_agree'])} "
            f"| {number(about['test_agrees'])} | {number(about['parameters_agree'])} |"
        )
    lines += [
        "",
        "## What an early epoch says of the last",
        "",
        "Spearman correlation of the validation metric after some epochs with that after the last.",
        "",
        "| task | " + " | ".join(f"epoch {epoch}" for epoch in EARLY) + " |",
        "| --- |" + " ---: |" * len(EARLY),
    ]
    for name, about in tasks.items():
        lines.append(f"| {name} | " + " | ".join(number(about["early"].get(str(epoch))) for epoch in EARLY) + " |")
    names = content["agreement"]["tasks"]
    lines += [
        "",
        "## How tasks agree",
        "",
        "Spearman correlation of the scores (higher is better) of the architectures that two tasks have in common; "
        "[the picture](mini_table.png).",
        "",
        "| | " + " | ".join(names) + " |",
        "| --- |" + " ---: |" * len(names),
    ]
    for name, row in zip(names, content["agreement"]["spearman"], strict=True):
        lines.append(f"| {name} | " + " | ".join(number(value) for value in row) + " |")
    lines += ["", "## Operations", "", "In how many architectures each is:", ""]
    lines.append(", ".join(f"{name} {count}" for name, count in content["operations"].items()) + ".")
    return lines


if __name__ == "__main__":
    main()
