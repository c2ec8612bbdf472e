"""The runs of a comparison, side by side on Ray: only those that are missing, each kept as soon as it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from cluster.experiments.comparison.contestants import CONTESTANTS, sources_of, takes_part
from cluster.experiments.comparison.predictors import check_predictor, learn_predictor, predictor_name
from cluster.experiments.comparison.presets import Column
from cluster.experiments.comparison.runs import Finding, Run, compute, identity, read
from cluster.ray.connection import connected
from cluster.work.pool import Job, side_by_side
from cluster.work.without_ray import call_alone
from mpnas_ray.errors import RunError
from mpnas_ray.meta_learning.mixture import MixtureConfig
from mpnas_ray.tables import TableTask

__all__ = ["SLOW_SECONDS", "Pair", "run_all"]

SLOW_SECONDS = 10.0
"""CPU time of a run from which a contestant is slow, and has fewer seeds."""

META_TRAININGS = 3
"""Predictors that are meta-learned for each set of sources; the runs of a contestant take them in turn."""

Pair = tuple[str, Column]
"""Name of a contestant, and what it searches."""


def run_all(
    contestants: Sequence[str],
    columns: Sequence[Column],
    budget: int,
    seeds: int,
    slow_seeds: int,
    tasks: Mapping[str, TableTask],
    tables: Path,
    checkpoints: Path,
    work: Path,
    config: MixtureConfig,
) -> dict[Pair, list[Finding]]:
    """Findings of each contestant on each column that it takes part in, in the order of their seeds.

    First predictors are meta-learned where they are missing, then each pair is run once, and how long that took says
    how many seeds it gets. A run that fails does not stop the others; interrupted, the same call goes on with what is
    missing.

    Args:
        contestants: Names in `contestants.CONTESTANTS`.
        columns: What to search.
        budget: Queries of a run.
        seeds: Of a contestant that is fast and has a seed.
        slow_seeds: Most seeds of a slow one.
        tasks: Those of the columns, and all that contestants may know.
        tables: Folder of NAS tables, which all nodes must reach.
        checkpoints: Folder of meta-learned predictors, which all nodes must reach.
        work: Folder of the runs, which all nodes must reach.
        config: How predictors are meta-learned, but for the seed, which is that of the run.

    Raises:
        PredictorError: If a checkpoint that is there has seen its target, or does not fit.
        RunError: When all are done, if some failed: naming each with its error.
        RunInterruptedError: After Ctrl-C.
    """
    pairs = [
        (name, column)
        for column in columns
        for name in contestants
        if takes_part(CONTESTANTS[name], tasks[column.searched], tasks, column.sources)
    ]
    paths = _checkpoints_of(pairs, min(seeds, META_TRAININGS), tasks, checkpoints)
    with ExitStack() as cluster:  # entered by the first that has something to do
        failures = _do(_missing_predictors(paths, tasks, tables, config), learn_predictor, cluster)
        state = _State(tasks, tables, paths, work, cluster)
        first = {
            pair: Run(*pair, budget, 0)
            for pair in pairs
            if (pair, 0) not in paths or paths[pair, 0].name not in failures
        }
        failures |= state.do_missing(dict.fromkeys(first.values(), 1.0))
        found = {pair: finding for pair, run in first.items() if (finding := state.find(run)) is not None}
        runs = {
            pair: [Run(*pair, budget, seed) for seed in range(_seeds(pair, one, seeds, slow_seeds))]
            for pair, one in found.items()
        }
        failures |= state.do_missing({run: found[pair].seconds for pair, of_pair in runs.items() for run in of_pair})
    if failures:
        lines = "".join(f"\n  {name}: {error}" for name, error in failures.items())
        raise RunError(
            f"{len(failures)} units failed; the others are kept, and the same command does these again:{lines}"
        )
    results = {pair: [state.find(run) for run in of_pair] for pair, of_pair in runs.items()}
    complete = {pair: [one for one in of_pair if one is not None] for pair, of_pair in results.items()}
    lost = [pair for pair in pairs if pair not in results or len(complete[pair]) < len(results[pair])]
    if lost:
        name, column = lost[0]
        raise RunError(f"Runs of {name} on {column.searched} are done, but not in {work}: all nodes must reach it.")
    return complete


def _seeds(pair: Pair, first: Finding, seeds: int, slow_seeds: int) -> int:
    if not CONTESTANTS[pair[0]].seeded:
        return 1
    return min(seeds, slow_seeds) if first.seconds > SLOW_SECONDS else seeds


class _State:
    """What all runs of a comparison have in common."""

    def __init__(
        self,
        tasks: Mapping[str, TableTask],
        tables: Path,
        paths: Mapping[tuple[Pair, int], Path],
        work: Path,
        cluster: ExitStack,
    ) -> None:
        self._tasks, self._tables, self._paths, self._work, self._cluster = tasks, tables, paths, work, cluster

    def find(self, run: Run) -> Finding | None:
        """What is in its file, if that is still this run's."""
        return read(run, self._work, identity(run, self._tasks, self._checkpoint(run)))

    def do_missing(self, expected: Mapping[Run, float]) -> dict[str, str]:
        """Do those of the runs, with their expected seconds, that have no file. Name -> error of those that failed."""
        jobs = {
            run.name: Job((compute, run, self._tables, self._checkpoint(run), self._work), seconds)
            for run, seconds in expected.items()
            if self.find(run) is None
        }
        return _do(jobs, call_alone, self._cluster)

    def _checkpoint(self, run: Run) -> Path | None:
        return self._paths.get(((run.contestant, run.column), run.seed % META_TRAININGS))


def _checkpoints_of(
    pairs: Sequence[Pair], seeds: int, tasks: Mapping[str, TableTask], folder: Path
) -> dict[tuple[Pair, int], Path]:
    """Where the predictor of each pair and of each meta-training is, or will be, for those that use one."""
    return {
        ((name, column), seed): folder
        / predictor_name(sources_of(CONTESTANTS[name], tasks[column.searched], tasks, column.sources), seed)
        for name, column in pairs
        if CONTESTANTS[name].knows == "predictor"
        for seed in range(seeds)
    }


def _missing_predictors(
    paths: Mapping[tuple[Pair, int], Path], tasks: Mapping[str, TableTask], tables: Path, config: MixtureConfig
) -> dict[str, Job]:
    """Those to meta-learn; all that are there are checked."""
    jobs = {}
    for ((name, column), seed), path in paths.items():
        target = tasks[column.searched]
        sources = sources_of(CONTESTANTS[name], target, tasks, column.sources)
        seeded = replace(config, seed=seed)
        if not check_predictor(path, sources, seeded, target):
            jobs[path.name] = Job((tuple(sources), seeded, path, tables))
    return jobs


def _do(jobs: Mapping[str, Job], function: Callable[..., float], cluster: ExitStack) -> dict[str, str]:
    """Name -> error of those that failed. Ray starts once for all calls, or not at all."""
    if not jobs:
        return {}
    cluster.enter_context(connected())
    return side_by_side(function, jobs)
