"""Compare our extensions of `mixed` with it by live searches: benchmarks/results/own_spaces.{json,md}.

    python benchmarks/own_spaces.py --tables DIR --work DIR [--task NAME] [--space NAME] [--seeds N]

Everything is as in table 7 of `mpnas reproduce`, but for the space: 20 architectures are trained for a third of the
task's recipe, the best on validation by the whole recipe, and scored once on the test part. The predictor has learned
nothing of the task's family. Known networks, and searches of `mixed`, are those of benchmarks/results/table7.json, and
are measured here for tasks that it does not have. The work goes on where it was stopped, and the page has what is
finished: what the JSON file has is not measured again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from timing import RESULTS, facts, write_results

from cluster.artifacts.learned_predictors import PredictorToLearn, learn_once
from cluster.artifacts.network_trainings import Course, training_item
from cluster.experiments.studies.estimates import Estimate
from cluster.experiments.studies.table7.methods import baselines_of, sources_for
from cluster.experiments.studies.table7.searching import NUM_SAMPLES, search_epochs, search_live
from cluster.pages.markdown import markdown_table, wrapped
from cluster.ray.connection import connected
from cluster.run.config import SearchConfig
from cluster.work.items import Store
from cluster.work.running import run_missing
from mpnas_ray.meta_learning.mixture import MixtureConfig
from mpnas_ray.tables import BUNDLED_TABLE, TableTask, load_tasks
from trainables.tasks.core.task import Task, get_task

TASKS = ("darcy", "digits", "satimage", "watch", "mnist5k")
COMMAND = "python benchmarks/own_spaces.py --tables DIR --work DIR"
"""The command of the whole page, which is done in parts."""

PRESET = "small"
PLAIN = "mixed"
OURS = ("mixed+spectral", "mixed-macro")

_PROTOCOL = f"""\
{NUM_SAMPLES} architectures of a space are trained for a third of the task's recipe; the best on validation is trained
anew by the whole recipe and scored once on the test part. The predictor has learned nothing of the task's family.
Numbers are means ± standard errors over the seeds that are finished, of search and training; a row of one seed has no
error. Networks of architectures are of preset {PRESET}, but those of `mixed-macro`, which have 8, 16 or 32 channels and
1, 2 or 3 cells in a stack, within the default limit on multiply-adds. For the tasks of
[table 7](table7.md), `mixed` and the known networks are its own. Seconds are wall-clock times of training, of a search
all its candidates together, while other programs shared the cores: they cannot be compared with each other."""

WIDTHS, DEPTHS = (8, 16, 32), (1, 2, 3)
"""Sizes of networks of mixed-macro."""

Outcome = dict[str, Any]
"""``task``, ``row``, ``seed``, ``network``, ``validation``, ``test``, ``parameters``, ``search_seconds`` and
``train_seconds``."""


def searched(task: Task, space: str, seed: int, predictor: Path, work: Path) -> Outcome:
    """Search once, or read what was found, and train the best by the whole recipe."""
    found = search_live(
        task,
        SearchConfig(
            task=task.name,
            space=space,
            num_samples=NUM_SAMPLES,
            epochs=search_epochs(task),
            preset=PRESET,
            predictor=predictor,
            widths=WIDTHS if space == "mixed-macro" else (),
            depths=DEPTHS if space == "mixed-macro" else (),
            storage=work,
            name=f"{task.name}.{space.replace('+', '-')}.{seed}",
            seed=seed,
        ),
    )
    return trained(task, space, found.arch, seed, found.training_seconds, work)


def trained(task: Task, row: str, network: str, seed: int, search_seconds: float, work: Path) -> Outcome:
    """Train a network by the whole recipe, or read its results."""
    name = "".join(letter if letter.isalnum() else "-" for letter in row.lower())
    item = training_item(name, network, seed, Course(task.name, task.recipe.epochs, None, PRESET))
    result = run_missing([item], Store(work))[item.name]
    return {
        "task": task.name,
        "row": row,
        "seed": seed,
        "network": network,
        "validation": result["score"][-1],
        "test": result["test"],
        "parameters": result["parameters"],
        "search_seconds": search_seconds,
        "train_seconds": result["seconds"],
    }


def published(tasks: Sequence[str]) -> list[Outcome]:
    """Read what table 7 says of these tasks: searches of `mixed`, and known networks."""
    content = json.loads((RESULTS / "table7.json").read_text())
    return [
        {"task": one["task"], "row": PLAIN if row == "MP-NAS" else row, **outcome}
        for one in content["tasks"]
        if one["task"] in tasks
        for row, outcomes in one["outcomes"].items()
        if "NAS-Bench-201" not in row and row != "random predictor"
        for outcome in outcomes
    ]


def page(about: Mapping[str, Any], tasks: Sequence[str], outcomes: Sequence[Outcome]) -> list[str]:
    trained_on = [name for name in tasks if any(one["task"] == name for one in outcomes)]
    versions = ", ".join(f"{package} {version}" for package, version in about["versions"].items())
    lines = [
        "# Our extensions of the mixed space",
        "",
        f"`{about['command']}`, {about['machine']}, {versions}.",
        "",
        *wrapped(_PROTOCOL).splitlines(),
        "",
        "Test scores, the best of each task bold:",
        "",
        *markdown_table(["network", *trained_on], short(trained_on, outcomes)).splitlines(),
    ]
    for name in tasks:
        task = get_task(name)
        better = "higher" if task.metric.mode == "max" else "lower"
        own = [one for one in outcomes if one["task"] == name]
        rows = []
        for row in dict.fromkeys(one["row"] for one in own):
            of_row = [one for one in own if one["row"] == row]
            rows.append(
                [
                    f"`{row}`" if row.startswith("mixed") else row,
                    str(len(of_row)),
                    Estimate.of([one["test"] for one in of_row]).shown(4),
                    Estimate.of([one["validation"] for one in of_row]).shown(4),
                    *(
                        f"{Estimate.of([one[key] for one in of_row]).mean:,.0f}"
                        for key in ("parameters", "search_seconds", "train_seconds")
                    ),
                ]
            )
        if rows:
            header = ["network", "seeds", f"test {task.metric.name}", "validation", "parameters", "search, s"]
            lines += ["", f"## {name}", "", f"{better.capitalize()} is better.", ""]
            lines += markdown_table([*header, "training, s"], rows).splitlines()
            found = [f"- seed {one['seed']}: `{one['network']}`" for one in own if one["row"] in OURS]
            lines += ["", "Found:", "", *found] if found else []
    return lines


def short(tasks: Sequence[str], outcomes: Sequence[Outcome]) -> list[list[str]]:
    """Give a line for each network: its test scores on tasks on which at least one was trained."""
    found: dict[str, dict[str, Estimate]] = {}
    for row, task in dict.fromkeys((one["row"], one["task"]) for one in outcomes):
        scores = [one["test"] for one in outcomes if (one["row"], one["task"]) == (row, task)]
        found.setdefault("expert" if row.startswith("expert") else row, {})[task] = Estimate.of(scores)
    best = {}
    for task in tasks:
        means = [of_row[task].mean for of_row in found.values() if task in of_row]
        best[task] = max(means) if get_task(task).metric.mode == "max" else min(means)
    return [
        [
            f"`{row}`" if row.startswith("mixed") else row,
            *(_marked(of_row[task], best[task]) if task in of_row else "" for task in tasks),
        ]
        for row, of_row in found.items()
    ]


def _marked(estimate: Estimate, best: float) -> str:
    return f"**{estimate.shown(4)}**" if estimate.mean == best else estimate.shown(4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, required=True, help="folder of NAS tables")
    parser.add_argument("--work", type=Path, required=True, help="folder of predictors, searches and trainings")
    parser.add_argument("--task", action="append", choices=TASKS, help="by default all")
    parser.add_argument("--space", action="append", choices=OURS, help="by default all of ours")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    chosen, spaces = options.task or TASKS, options.space or OURS
    tables = {**load_tasks(options.tables), **load_tasks(BUNDLED_TABLE)}
    known = published(TASKS)
    results = RESULTS / "own_spaces.json"
    finished: list[Outcome] = json.loads(results.read_text())["outcomes"] if results.exists() else []

    def write() -> None:
        about = {**facts("torch", "numpy", "ray"), "command": COMMAND}
        everything = sorted([*known, *finished], key=lambda one: one["seed"])
        write_results(RESULTS, "own_spaces", {**about, "outcomes": finished}, page(about, TASKS, everything))

    def add(outcome: Outcome) -> None:
        finished.append(outcome)
        print(outcome, flush=True)
        write()

    write()

    def is_missing(task: str, row: str, seed: int) -> bool:
        return all((one["task"], one["row"], one["seed"]) != (task, row, seed) for one in [*known, *finished])

    with connected():
        for seed in range(options.seeds):
            for name in chosen:
                task = get_task(name)
                for space in filter(lambda space: is_missing(name, space, seed), (*spaces, PLAIN)):
                    add(searched(task, space, seed, learned(task, tables, options.work), options.work))
                num_axes = task.load_checked(None).train.inputs.ndim - 2
                for row, network in baselines_of(task, num_axes).items():
                    if is_missing(name, row, seed):
                        add(trained(task, row, network, seed, 0.0, options.work))


def learned(task: Task, tables: Mapping[str, TableTask], work: Path) -> Path:
    """Learn the predictor of a task, which knows nothing of its family."""
    sources = sources_for(task, tables, "MP-NAS")
    assert sources is not None
    path = work / f"without-{task.name}"
    return learn_once(PredictorToLearn.of(path, sources, MixtureConfig(), COMMAND), print)


if __name__ == "__main__":
    main()
