"""Do the missing predictors, searches, trainings and replays of one task of table 7."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from cluster.artifacts.learned_predictors import PredictorToLearn, learn_missing_predictors
from cluster.artifacts.network_trainings import Course, training_item
from cluster.experiments.studies.study import Report
from cluster.experiments.studies.table7.methods import SEARCHES, baselines_of, derived_from, is_small, sources_for
from cluster.experiments.studies.table7.replaying import replay_item
from cluster.experiments.studies.table7.searching import NUM_SAMPLES, Search, search_epochs, search_live
from cluster.run.config import SearchConfig
from cluster.work.items import Store, WorkItem
from cluster.work.running import refuse_failures, run_missing
from mpnas_ray.meta_learning.mixture import MixtureConfig
from mpnas_ray.tables import TableTask, load_tasks
from trainables.tasks.core.task import Task, get_task

__all__ = ["MeasuredTask", "Outcome", "TaskResults"]


@dataclass(frozen=True)
class Outcome:
    """A network trained by the task's whole recipe.

    Attributes:
        network: Architecture, or name of a baseline.
        seed: Seed of the training, and of the search that found it.
        validation: After the last epoch; None if the loss was not finite.
        test: Test score of the same network, computed once.
        parameters: Number of trainable parameters.
        search_seconds: Seconds of training all candidates that it was chosen among, or of DASH's search.
        train_seconds: Seconds of this training.
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
    """The results of one task.

    Attributes:
        task: Name of the task.
        metric: Metric of validation and test.
        mode: ``min`` or ``max``.
        protocol: Source of split and metric; empty for the small tasks.
        recipe: Recipe of the last training.
        search_epochs: Epochs of the candidates' trainings.
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


@dataclass(frozen=True, eq=False)
class MeasuredTask:
    """A task of table 7, and what its work takes.

    Attributes:
        reference: Name of the task, as all nodes know it.
        tables: Folder of NAS tables.
        own_table: A file of `mpnas tables build`.
        work: Folder of the work, which all nodes must reach.
        data_dir: Folder of the user's data files; the task's own folder if None.
        config: Settings of the meta-learning.
        gpus: GPUs of each training.
        report: Receives a line for each step.
    """

    reference: str
    tables: Path
    own_table: Path
    work: Path
    data_dir: Path | None
    config: MixtureConfig
    gpus: float
    report: Report

    @cached_property
    def task(self) -> Task:
        """The task."""
        return get_task(self.reference)

    @cached_property
    def preset(self) -> str:
        """Sizes of the networks that are found."""
        return "small" if is_small(self.task) else "paper"

    @cached_property
    def num_axes(self) -> int:
        """1 for series, 2 for images and fields."""
        return self.task.load_checked(self.data_dir).train.inputs.ndim - 2

    @property
    def course(self) -> Course:
        """The whole recipe, on all training samples."""
        return Course(self.reference, self.task.recipe.epochs, None, self.preset, self.data_dir)

    def results(self, tasks: Mapping[str, TableTask], seeds: int, replay_seeds: int) -> TaskResults:
        """Do what is missing.

        Args:
            tasks: All tasks of the tables, those of our own among them.
            seeds: Number of live searches and of trainings.
            replay_seeds: Number of searches on our own table.

        Raises:
            RunError: If some of the work failed, once the rest of the same step is done.
        """
        sources = {search: sources_for(self.task, tasks, search) for search in SEARCHES}
        searches = [name for name, known in sources.items() if known is not None or name == "random predictor"]
        predictors = self._predictors({name: sources[name] for name in searches})
        found = {name: [self._search(name, predictors[name], seed) for seed in range(seeds)] for name in searches}
        in_own = tasks.get(f"mixed/{self.task.name}")
        return TaskResults(
            task=self.task.name,
            metric=self.task.metric.name,
            mode=self.task.metric.mode,
            protocol=self.task.protocol,
            recipe=asdict(self.task.recipe),
            search_epochs=search_epochs(self.task),
            preset=self.preset,
            outcomes=self._outcomes(found, seeds),
            curves={name: [list(one.curve) for one in of_name] for name, of_name in found.items()},
            replays={} if in_own is None else self._replays(in_own, predictors, replay_seeds),
            sources={name: sorted(known or ()) for name, known in sources.items() if name in searches},
        )

    def _predictors(self, sources: Mapping[str, Mapping[str, TableTask] | None]) -> dict[str, Path | None]:
        """Return where the predictor of each search is; None for a search that has learned nothing."""
        wanted = {
            name: PredictorToLearn(
                self.work / f"{self.task.name}.{_slug(name)}",
                tuple(known),
                partial(_load, self.tables, self.own_table, tuple(known)),
                self.config,
                "mpnas reproduce table7",
            )
            for name, known in sources.items()
            if known is not None
        }
        refuse_failures(learn_missing_predictors(tuple(wanted.values()), report=self._say))
        return {name: wanted[name].path if name in wanted else None for name in sources}

    def _search(self, search: str, predictor: Path | None, seed: int) -> Search:
        self._say(f"search by {search}, seed {seed}")
        config = SearchConfig(
            task=self.reference,
            space="mixed",
            num_samples=NUM_SAMPLES,
            epochs=search_epochs(self.task),
            preset=self.preset,
            searcher="scratch" if predictor is None else "mpnas",
            predictor="default" if predictor is None else predictor,
            storage=self.work,
            name=f"{self.task.name}.{_slug(search)}.{seed}",
            seed=seed,
            data_dir=self.data_dir,
            gpus_per_trial=self.gpus,
        )
        return search_live(self.task, config)

    def _outcomes(self, found: Mapping[str, Sequence[Search]], seeds: int) -> dict[str, list[Outcome]]:
        """Train by the whole recipe; what DASH chose comes after its search, which is done once: it is the longest."""
        rows = {
            name: [(one.arch, seed, one.training_seconds) for seed, one in enumerate(of_name)]
            for name, of_name in found.items()
        }
        for row, network in baselines_of(self.task, self.num_axes).items():
            rows[row] = [(network, seed, 0.0) for seed in range(seeds)]
        dash = self._item("DASH, search", "dash-search", 0)
        items = {row: [self._item(row, network, seed) for network, seed, _ in of_row] for row, of_row in rows.items()}
        results = self._trained([dash, *(item for of_row in items.values() for item in of_row)])
        by_dash = results[dash.name]
        network = derived_from(self.task, self.num_axes, by_dash["chosen"])
        rows["DASH"] = [(network, seed, by_dash["seconds"]) for seed in range(seeds)]
        items["DASH"] = [self._item("DASH", network, seed) for seed in range(seeds)]
        results |= self._trained(items["DASH"])
        return {
            row: [
                _outcome(results[item.name], seconds) for item, (_, _, seconds) in zip(items[row], of_row, strict=True)
            ]
            for row, of_row in rows.items()
        }

    def _item(self, row: str, network: str, seed: int) -> WorkItem:
        return training_item(_slug(row), network, seed, self.course, use_gpu=self.gpus > 0)

    def _trained(self, items: Sequence[WorkItem]) -> dict[str, Any]:
        store = Store(self.work)
        missing = sum(store.read(item) is None for item in items)
        if missing:
            self._say(f"{missing} trainings by the whole recipe")
        return run_missing(items, store, gpus=self.gpus)

    def _replays(
        self, task: TableTask, predictors: Mapping[str, Path | None], seeds: int
    ) -> dict[str, list[list[float]]]:
        store = Store(self.work / "replays")
        items = {
            search: [
                replay_item(
                    f"{self.task.name}.{_slug(search)}.{seed}", self.own_table, task, predictor, seed, NUM_SAMPLES
                )
                for seed in range(seeds)
            ]
            for search, predictor in predictors.items()
        }
        every = [item for of_search in items.values() for item in of_search]
        missing = sum(store.read(item) is None for item in every)
        if missing:
            self._say(f"{missing} searches on our own table")
        results = run_missing(every, store)
        return {search: [results[item.name]["scores"] for item in of_search] for search, of_search in items.items()}

    def _say(self, line: str) -> None:
        self.report(f"{self.task.name}: {line}")


def _outcome(training: Mapping[str, Any], search_seconds: float) -> Outcome:
    return Outcome(
        network=training["network"],
        seed=training["seed"],
        validation=training["score"][-1],
        test=training["test"],
        parameters=training["parameters"],
        search_seconds=search_seconds,
        train_seconds=training["seconds"],
    )


def _load(tables: Path, own_table: Path, names: Sequence[str]) -> dict[str, TableTask]:
    """Load tasks to learn from, in their order."""
    known = {**load_tasks(tables), **load_tasks(own_table)}
    return {name: known[name] for name in names}


def _slug(text: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in text.lower())
