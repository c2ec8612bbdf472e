"""Do zero-cost scores help as tasks to meta-learn from? benchmarks/results/proxy_sources.{json,md}.

    python benchmarks/proxy_sources.py --tables DIR --checkpoints DIR

MP-NAS suggests it for later. For some families of tasks of our own table, two predictors are meta-learned with the
family held out in every table: from measured scores alone (as `benchmarks/mini_gain.py` does; the folder is shared),
and from these and the zero-cost scores of the other families' tasks, which `benchmarks/proxies.py` left in
results/proxies.parquet. Both rank the family's architectures after 0, 5, 10 and 25 random ones of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from mini_gain import DRAWS, POINTS, correlations, predictor_of
from timing import RESULTS, facts, write_results

from cluster.pages.markdown import markdown_table, wrapped
from mpnas_ray.spaces import Architectures
from mpnas_ray.tables import BUNDLED_TABLE, TableTask, leaves_out, load_tasks
from trainables import get_task

FAMILIES = ("libras", "splice", "osuleaf", "handwritten-digits")
"""Tasks whose scores two seeds agree on (benchmarks/results/mini_table.md), without Darcy flow, which official tables
know."""
PROXIES = ("naswot", "jacob_cov", "synflow", "zen")
RANKERS = ("with proxies", "without")


def proxy_tasks(path: Path) -> dict[str, TableTask]:
    rows = pq.read_table(path, columns=["task", "arch", *PROXIES]).to_pylist()
    found = {}
    for name in dict.fromkeys(row["task"] for row in rows if row["task"] != "nasbench201"):
        for proxy in PROXIES:
            known = [(row["arch"], row[proxy]) for row in rows if row["task"] == name and row[proxy] is not None]
            archs, scores = zip(*known, strict=True)
            task = get_task(name)
            found[f"mixed/{name}-{proxy}"] = TableTask(
                f"mixed/{name}-{proxy}",
                Architectures.of(list(archs)),
                np.array(scores),
                proxy,
                "max",
                datasets=(task.family or task.name,),
                source="mpnas-ray, benchmarks/proxies.py",
                licence="Apache-2.0",
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, required=True, help="folder of NAS tables")
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder of predictors, made if missing")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    own, measured = load_tasks(BUNDLED_TABLE), load_tasks(given.tables)
    proxies = proxy_tasks(RESULTS / "proxies.parquet")
    rows: list[dict[str, Any]] = []
    for family in FAMILIES:
        members = [name for name, task in own.items() if task.datasets == (family,)]
        without = leaves_out({**measured, **own}, members)
        both = leaves_out({**measured, **own, **proxies}, members)
        rankers = {
            "with proxies": predictor_of(given.checkpoints / f"proxies.without.{family}", both),
            "without": predictor_of(given.checkpoints / f"own.without.{family}", without),
        }
        for name in members:
            rows += correlations(own[name], rankers)
            print(name, [f"{row['ranker']} {row['points']}: {np.mean(row['values']):.2f}" for row in rows[-8:]])
    content = {**facts("torch", "numpy"), "proxies": PROXIES, "num_proxy_tasks": len(proxies), "rows": rows}
    write_results(given.out, "proxy_sources", content, page(content).split("\n"))


def page(content: dict[str, Any]) -> str:
    values = {(row["task"], row["points"], row["ranker"]): row["values"] for row in content["rows"]}
    tasks = list(dict.fromkeys(task for task, _, _ in values))
    lines = []
    for points in POINTS:
        for task in [*tasks, "mean"]:
            of = [
                np.mean([values[name, points, ranker] for name in (tasks if task == "mean" else [task])], axis=0)
                for ranker in RANKERS
            ]
            gain = of[0] - of[1]
            error = f" ± {np.std(gain, ddof=1) / np.sqrt(len(gain)):.3f}" if len(gain) > 1 else ""
            lines.append([task, str(points), *(f"{one.mean():.3f}" for one in of), f"{gain.mean():+.3f}{error}"])
    return wrapped(f"""# Zero-cost scores as tasks to meta-learn from

`{content["command"]}`, {content["machine"]}, {content["versions"]}.

Spearman correlation between predicted and measured scores of cells of the mixed space, on tasks whose family was held
out in every table; means over {DRAWS} draws of measured cells, of the difference with its standard error. `with
proxies` has learned from {", ".join(content["proxies"])} of the same 300 architectures too, each computed on the data
of every other family's task.

{markdown_table(["task", "measured cells", *RANKERS, "gain"], lines)}
""")


if __name__ == "__main__":
    main()
