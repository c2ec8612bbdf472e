"""All the work of table 7, only what is missing of it, and its files."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cluster.artifacts.network_trainings import Course, Unit, read, train
from cluster.experiments.studies.learned import learn_predictors
from cluster.experiments.studies.table7.methods import (
    DEFAULT_TASKS,
    SEARCHES,
    baselines_of,
    derived_from,
    is_small,
    sources_for,
)
from cluster.experiments.studies.table7.page import page_of, save_curves
from cluster.experiments.studies.table7.replaying import read_replay, replay_search
from cluster.experiments.studies.table7.searching import NUM_SAMPLES, Search, search_epochs, search_live
from cluster.ray.connection import connected, most_concurrent
from cluster.ray.resources import check_gpus
from cluster.work.pool import Job, side_by_side
from cluster.work.result_files import check_folders, machine, make_folders, versions
from cluster.work.without_ray import call_alone
from mpnas_ray.checks import require_count
from mpnas_ray.errors import RunError
from mpnas_ray.files.atomic import write_atomic
from mpnas_ray.meta_learning.mixture import MixtureConfig
from mpnas_ray.tables import BUNDLED_TABLE, TableTask, load_tasks
from trainables.tasks.core.cache import check_data_dir
from trainables.tasks.core.task import get_task, task_reference

__all__ = ["Outcome", "TaskResults", "reproduce_table7"]


@dataclass(frozen=True)
class Outcome:
    """A network trained by the task's whole recipe.

    Attributes:
        network: Architecture, or name of a baseline.
        seed: Of the training, and of the search that found it.
        validation: After the last epoch; None if the loss was not finite.
        test: The same network's, computed once.
        parameters: Trainable ones.
        search_seconds: Training of all candidates that it was chosen among, or of DASH's search.
        train_seconds: Of this training.
    """

    network: str
    seed: int
    validation: float | None
    test: float | None
    parameters: int
    search_seconds: float
    train_seconds: float


@dataclass(frozen=True)
class TaskResults:
    """All of one task.

    Attributes:
        task: Its name.
        metric: Of validation and test.
        mode: ``min`` or ``max``.
        protocol: Whose split and metric these are; empty for the small tasks.
        recipe: Of the last training.
        search_epochs: Of the candidates' trainings.
        preset: Sizes of the found networks.
        outcomes: Row -> trainings, one a seed.
        curves: Search -> best validation so far, one list a seed.
        replays: Search -> best score so far on our own table, one list a seed; empty if it has not this task.
        sources: Search -> tasks that its predictor has learned from.
    """

    task: str
    metric: str
    mode: str
    protocol: str
    recipe: dict[str, Any]
    search_epochs: int
    preset: str
    outcomes: dict[str, list[Outcome]]
    curves: dict[str, list[list[float]]]
    replays: dict[str, list[list[float]]]
    sources: dict[str, list[str]]


def reproduce_table7(
    tables: str | Path,
    out: str | Path,
    work: str | Path,
    *,
    tasks: Sequence[str] = DEFAULT_TASKS,
    seeds: int = 3,
    replay_seeds: int = 20,
    gpus_per_trial: float = 0.0,
    data_dir: str | Path | None = None,
    config: MixtureConfig | None = None,
    own_table: Path = BUNDLED_TABLE,
    report: Callable[[str], None] = print,
) -> list[Path]:
    """Do what is missing on Ray, and write ``<out>/table7.json``, ``.md`` and ``.png``.

    Args:
        tables: Folder of NAS tables to meta-learn from, with our own one.
        out: Folder of the files.
        work: Folder of the work; on a cluster all nodes must reach it.
        tasks: Names of tasks; of those on full data the files must be there.
        seeds: Of live searches and of trainings.
        replay_seeds: Of searches on our own table.
        gpus_per_trial: GPUs of each candidate and of each last training; a fraction lets them share one.
        data_dir: Where the user's data files are.
        config: How predictors are meta-learned; `MixtureConfig()` if None.
        own_table: A file of `mpnas tables build`.
        report: Receives a line for each step.

    Returns:
        The files.

    Raises:
        MPNASError: If data, tables or a task are missing.
        RunError: If trainings failed, once all others are done.
        RunInterruptedError: After Ctrl-C; the same call goes on.
    """
    seeds, replay_seeds = (
        require_count("seeds", seeds, 1, error=RunError),
        require_count("replay_seeds", replay_seeds, 1, error=RunError),
    )
    gpus_per_trial = check_gpus("gpus_per_trial", gpus_per_trial)
    work_folder, folder = Path(work).resolve() / "table7", check_data_dir(data_dir)
    for reference in tasks:
        get_task(reference).load_checked(folder)
    check_folders(Path(out), work_folder)
    own = load_tasks(own_table)
    every = {**load_tasks(tables), **own}
    results = []
    with connected():
        most_concurrent({"CPU": 1.0, "GPU": gpus_per_trial})
        make_folders(Path(out), work_folder)
        for reference in map(task_reference, tasks):
            one = _OneTask(
                reference, every, own, own_table, work_folder, folder, config or MixtureConfig(), report, gpus_per_trial
            )
            results.append(one.results(seeds, replay_seeds))
    command = ["mpnas", "reproduce", "table7", "--tables", "DIR"]
    if tuple(tasks) != DEFAULT_TASKS:
        command += [part for task in tasks for part in ("--task", task)]
    content = {
        "study": "table7",
        "command": shlex.join(command),
        "versions": versions(),
        "machine": machine(),
        "seeds": {"live": seeds, "replayed": replay_seeds},
        "num_samples": NUM_SAMPLES,
        "searches": SEARCHES,
        "tasks": [asdict(one) for one in results],
    }
    written = [Path(out) / f"table7.{ending}" for ending in ("json", "md", "png")]
    write_atomic(written[0], json.dumps(content, indent=1, allow_nan=False) + "\n")
    write_atomic(written[1], page_of(content))
    save_curves(content, written[2])
    return written


class _OneTask:
    def __init__(
        self,
        reference: str,
        tables: Mapping[str, TableTask],
        own: Mapping[str, TableTask],
        own_table: Path,
        work: Path,
        data_dir: Path | None,
        config: MixtureConfig,
        report: Callable[[str], None],
        gpus: float,
    ) -> None:
        self._reference, self._task = reference, get_task(reference)
        self._tables, self._own_table, self._work, self._data_dir = tables, own_table, work, data_dir
        self._in_own = own.get(f"mixed/{self._task.name}")
        self._config, self._report, self._gpus = config, report, gpus
        self._preset = "small" if is_small(self._task) else "paper"
        self._num_axes = self._task.load_checked(data_dir).train.inputs.ndim - 2
        recipe = self._task.recipe
        self._course = Course(reference, recipe.epochs, None, self._preset, data_dir)

    def results(self, seeds: int, replay_seeds: int) -> TaskResults:
        sources = {search: sources_for(self._task, self._tables, search) for search in SEARCHES}
        searches = [name for name, known in sources.items() if known is not None or name == "random predictor"]
        predictors = self._predictors({name: sources[name] for name in searches})
        found = {name: [self._search(name, predictors[name], seed) for seed in range(seeds)] for name in searches}
        return TaskResults(
            task=self._task.name,
            metric=self._task.metric.name,
            mode=self._task.metric.mode,
            protocol=self._task.protocol,
            recipe=asdict(self._task.recipe),
            search_epochs=search_epochs(self._task),
            preset=self._preset,
            outcomes=self._outcomes(found, seeds),
            curves={name: [list(one.curve) for one in of_name] for name, of_name in found.items()},
            replays={} if self._in_own is None else self._replays(self._in_own, predictors, replay_seeds),
            sources={name: sorted(known or ()) for name, known in sources.items() if name in searches},
        )

    def _predictors(self, sources: Mapping[str, Mapping[str, TableTask] | None]) -> dict[str, Path | None]:
        """Where the predictor of each search is; None for a search that has learned nothing."""
        paths = {name: self._work / f"{self._task.name}.{_slug(name)}" for name in sources}
        learned = {paths[name]: known for name, known in sources.items() if known is not None}
        learn_predictors(
            learned, self._config, "mpnas reproduce table7", lambda line: self._report(f"{self._task.name}: {line}")
        )
        return {name: paths[name] if known is not None else None for name, known in sources.items()}

    def _search(self, search: str, predictor: Path | None, seed: int) -> Search:
        self._report(f"{self._task.name}: search by {search}, seed {seed}")
        name = f"{self._task.name}.{_slug(search)}.{seed}"
        return search_live(
            self._task, self._reference, predictor, self._preset, seed, name, self._work, self._data_dir, self._gpus
        )

    def _outcomes(self, found: Mapping[str, Sequence[Search]], seeds: int) -> dict[str, list[Outcome]]:
        """All last trainings; those of what DASH chose come after its search, which is done once: it is the longest."""
        rows: dict[str, list[tuple[Unit, float]]] = {
            name: [(self._unit(name, one.arch, seed), one.training_seconds) for seed, one in enumerate(of_name)]
            for name, of_name in found.items()
        }
        for row, network in baselines_of(self._task, self._num_axes).items():
            rows[row] = [(self._unit(row, network, seed), 0.0) for seed in range(seeds)]
        dash = self._unit("DASH, search", "dash-search", 0)
        self._train([dash, *(unit for of_row in rows.values() for unit, _ in of_row)])
        found_by_dash = self._read(dash)
        network = derived_from(self._task, self._num_axes, found_by_dash["chosen"])
        rows["DASH"] = [(self._unit("DASH", network, seed), float(found_by_dash["seconds"])) for seed in range(seeds)]
        self._train([unit for unit, _ in rows["DASH"]])
        return {row: [self._outcome(unit, seconds) for unit, seconds in of_row] for row, of_row in rows.items()}

    def _unit(self, row: str, network: str, seed: int) -> Unit:
        return Unit(_slug(row), network, seed)

    def _train(self, units: Sequence[Unit]) -> None:
        jobs = {
            unit.path(self._task.name): Job((unit, self._course, self._work, self._gpus > 0))
            for unit in units
            if read(unit, self._course, self._work) is None
        }
        if not jobs:
            return
        self._report(f"{self._task.name}: {len(jobs)} trainings by the whole recipe")
        failures = side_by_side(train, jobs, gpus=self._gpus)
        if failures:
            lines = "".join(f"\n  {name}: {error}" for name, error in failures.items())
            raise RunError(f"{len(failures)} trainings failed; the same command does these again:{lines}")

    def _read(self, unit: Unit) -> Mapping[str, Any]:
        content = read(unit, self._course, self._work)
        if content is None:
            raise RunError(f"{unit.path(self._task.name)} is done, but not in {self._work}: all nodes must reach it.")
        return content

    def _outcome(self, unit: Unit, search_seconds: float) -> Outcome:
        content = self._read(unit)
        return Outcome(
            network=unit.network,
            seed=unit.seed,
            validation=content["score"][-1],
            test=content["test"],
            parameters=content["parameters"],
            search_seconds=search_seconds,
            train_seconds=content["seconds"],
        )

    def _replays(
        self, task: TableTask, predictors: Mapping[str, Path | None], seeds: int
    ) -> dict[str, list[list[float]]]:
        def file(search: str, seed: int) -> Path:
            return self._work / "replays" / f"{self._task.name}.{_slug(search)}.{seed}.json"

        jobs = {
            file(search, seed).stem: Job(
                (replay_search, self._own_table, task.name, predictor, seed, NUM_SAMPLES, file(search, seed))
            )
            for search, predictor in predictors.items()
            for seed in range(seeds)
            if read_replay(file(search, seed), task, seed, NUM_SAMPLES) is None
        }
        if jobs:
            self._report(f"{self._task.name}: {len(jobs)} searches on our own table")
            failures = side_by_side(call_alone, jobs)
            if failures:
                raise RunError("; ".join(f"{name}: {error}" for name, error in failures.items()))
        found: dict[str, list[list[float]]] = {}
        for search in predictors:
            scores = [read_replay(file(search, seed), task, seed, NUM_SAMPLES) for seed in range(seeds)]
            found[search] = [one.tolist() for one in scores if one is not None]
        return found


def _slug(text: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in text.lower())
