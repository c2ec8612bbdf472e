"""Compare methods on fronts: the replications as work, their regrets, and the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.artifacts.learned_predictors import PredictorToLearn, learn_missing_predictors
from cluster.experiments.comparison.methods import METHODS as COMPARED_METHODS
from cluster.experiments.comparison.methods import sources_of
from cluster.experiments.comparison.predictors import COMPARED, predictor_to_learn
from cluster.experiments.comparison.presets import sources_of_space
from cluster.experiments.fronts.asha import REDUCTION_FACTOR, SHORT_EPOCHS, WHOLE_EPOCHS
from cluster.experiments.fronts.methods import METHODS, Search
from cluster.experiments.fronts.problems import PROBLEMS, Ground, Problem
from cluster.experiments.protocol.fingerprints import digest_of_checkpoint, fingerprint
from cluster.pages.markdown import markdown_table, wrapped
from cluster.pages.result_json import result_json
from cluster.work.folders import make_folders
from cluster.work.items import Store, WorkItem
from cluster.work.provenance import machine, versions
from cluster.work.running import refuse_failures, run_missing
from mpnas_ray.checks import require_count
from mpnas_ray.errors import RunError
from mpnas_ray.files.atomic import write_atomic
from mpnas_ray.pretrained import find_checkpoint
from mpnas_ray.stats import two_stage_intervals
from mpnas_ray.tables import TableTask, load_tasks

__all__ = ["NUM_QUERIES", "FrontsConfig", "compare_fronts", "page_of"]

NUM_QUERIES = (30, 100)
"""Numbers of queries after which regrets are reported."""

_OURS = "mpnas"
_NAME = "compare-fronts"


@dataclass(frozen=True)
class FrontsConfig:
    """A comparison of methods on the fronts of NAS-Bench-201; on a cluster all nodes must reach its folders.

    Attributes:
        tables: Folder of NAS tables.
        seeds: Replications of each method on each problem.
        checkpoints: Folder for meta-learned predictors, each without its target's data.
        work: Folder for replications.
        out: Folder for compare-fronts.json and .md.

    Raises:
        RunError: If there is no replication.
    """

    tables: Path
    seeds: int = 20
    checkpoints: Path = Path("runs/compare/checkpoints")
    work: Path = Path("runs/compare-fronts")
    out: Path = Path("benchmarks/results")

    def __post_init__(self) -> None:
        object.__setattr__(self, "seeds", require_count("seeds", self.seeds, error=RunError))


def compare_fronts(config: FrontsConfig) -> list[Path]:
    """Do the missing replications on Ray, and write ``compare-fronts.json`` and ``compare-fronts.md``.

    Raises:
        TableError: If a table is missing or damaged.
        RunError: If a folder cannot be written, or replications failed, once all others are done.
        RunInterruptedError: After Ctrl-C; the same call goes on.
    """
    config = replace(
        config,
        tables=_resolved(config.tables),
        checkpoints=_resolved(config.checkpoints),
        work=_resolved(config.work),
    )
    make_folders(config.out, config.work, config.checkpoints)
    names = {name for problem in PROBLEMS for name in (*problem.tasks, problem.short)}
    tasks = load_tasks(config.tables, names | set(sources_of_space("nasbench201")))
    predictors = {problem.quality: _predictor(problem, config, tasks) for problem in PROBLEMS}
    refuse_failures(learn_missing_predictors(tuple(predictors.values()), report=print))
    items = {
        (problem, method, seed): _item(problem, method, seed, config, tasks, predictors[problem.quality].path)
        for problem in PROBLEMS
        for method in METHODS
        for seed in range(config.seeds)
    }
    found = run_missing(list(items.values()), Store(config.work))
    rows = []
    for problem in PROBLEMS:
        ground = Ground.of(problem, tasks)
        for method in METHODS:
            asked = [found[items[problem, method, seed].name] for seed in range(config.seeds)]
            regrets = [[ground.regret(archs, num) for num in NUM_QUERIES] for archs in asked]
            rows.append({"problem": problem.name, "method": method, "regrets": regrets})
    content = {
        "command": f"mpnas compare-fronts --tables DIR --seeds {config.seeds}",
        "versions": versions(),
        "machine": machine(),
        "queries": list(NUM_QUERIES),
        "rows": rows,
    }
    written = [config.out / f"{_NAME}.json", config.out / f"{_NAME}.md"]
    write_atomic(written[0], result_json(content))
    write_atomic(written[1], page_of(content))
    return written


def _resolved(folder: Path) -> Path:
    """Return the absolute path, for workers, which are elsewhere."""
    return Path(folder).expanduser().resolve()


def _predictor(problem: Problem, config: FrontsConfig, tasks: Mapping[str, TableTask]) -> PredictorToLearn:
    """Describe the predictor that knows other tasks than the quality of a problem; `mpnas compare` makes the same."""
    sources = sources_of(COMPARED_METHODS[_OURS], tasks[problem.quality], tasks)
    return predictor_to_learn(config.checkpoints, sources, COMPARED, config.tables)


def _item(
    problem: Problem, method: str, seed: int, config: FrontsConfig, tasks: Mapping[str, TableTask], checkpoint: Path
) -> WorkItem:
    knows = checkpoint if method == _OURS else None
    short = (problem.short,) if method == "mo-asha" else ()
    identity = {
        "method": method,
        "tasks": {name: fingerprint(tasks[name]) for name in (*problem.tasks, *short)},
        "cost": problem.cost,
        "predictors": None
        if knows is None
        else [digest_of_checkpoint(knows), digest_of_checkpoint(find_checkpoint("cost"))],
        "queries": max(NUM_QUERIES),
        "seed": seed,
    }
    return WorkItem(
        f"{problem.name}/{method}.{seed}",
        identity,
        partial(_asked, problem, method, seed, config.tables, knows),
        expected=60.0 if knows else 1.0,
        without_ray=True,
    )


def _asked(problem: Problem, method: str, seed: int, tables: Path, checkpoint: Path | None) -> list[str]:
    """Do one replication: return the architectures that a method asks for, in order."""
    tasks, ground = _ground(problem, tables)
    return METHODS[method](Search(problem, tasks, ground, max(NUM_QUERIES), seed, checkpoint))


@lru_cache(maxsize=2)
def _ground(problem: Problem, tables: Path) -> tuple[dict[str, TableTask], Ground]:
    """Read the tables of a problem once a process."""
    tasks = load_tasks(tables, (*problem.tasks, problem.short))
    return tasks, Ground.of(problem, tasks)


def page_of(content: Mapping[str, Any]) -> str:
    """Write the page from the content of the JSON file."""
    problems = list(dict.fromkeys(row["problem"] for row in content["rows"]))
    methods = list(dict.fromkeys(row["method"] for row in content["rows"]))
    of_row = {(row["problem"], row["method"]): row["regrets"] for row in content["rows"]}
    regrets = np.array([[of_row[problem, method] for problem in problems] for method in methods], dtype=np.float64)
    numbers = ", ".join(f"{name} {number}" for name, number in content["versions"].items())
    tables = "\n\n".join(
        f"## After {num} queries\n\n{_table(methods, problems, regrets[..., place])}"
        for place, num in enumerate(content["queries"])
    )
    return wrapped(f"""# Searching a front of two objectives

`{content["command"]}`, {content["machine"]["cores"]} cores, {numbers}. All regrets are in
[{_NAME}.json]({_NAME}.json).

Hypervolume regret in percent: the part of the volume under the true front of NAS-Bench-201 (quality, and latency or
parameters) that a method has not found. The mean over {regrets.shape[2]} seeds; in the last column over problems too,
with the 95 % interval of a bootstrap over problems and seeds. Cells without a path from input to output are left out.
The reference point lies a tenth of the true front's extent beyond its worst values.

mpnas knows other data sets of the space and other families of devices, the rivals know nothing. MO-ASHA sees what cells
reach in {SHORT_EPOCHS} epochs, and trains those whole, for {WHOLE_EPOCHS}, that are among the best one in
{REDUCTION_FACTOR} so far. The table measured these as two trainings, so that the second begins anew. All its epochs
count, {WHOLE_EPOCHS} as a query.

{tables}
""")


def _table(methods: list[str], problems: list[str], regrets: NDArray[np.float64]) -> str:
    """Write the regrets ``[methods, problems, seeds]``."""
    mean, low, high = two_stage_intervals(regrets, lambda by_column: by_column.mean(axis=-1), np.random.default_rng(0))
    lines = [
        [
            method,
            *(f"{100 * value:.1f}" for value in regrets[row].mean(axis=1)),
            f"{100 * mean[row]:.1f} [{100 * low[row]:.1f}, {100 * high[row]:.1f}]",
        ]
        for row, method in enumerate(methods)
    ]
    return markdown_table(["method", *problems, "mean"], lines)
