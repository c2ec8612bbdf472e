"""Do the missing replications of a comparison on Ray."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from cluster.artifacts.learned_predictors import PredictorToLearn, learn_missing_predictors
from cluster.experiments.comparison.config import ComparisonConfig
from cluster.experiments.comparison.methods import METHODS, sources_of, takes_part
from cluster.experiments.comparison.predictors import predictor_to_learn
from cluster.experiments.comparison.presets import Column
from cluster.experiments.comparison.replications import Replication, Result, replication_item
from cluster.work.items import Store, WorkItem
from cluster.work.running import compute_missing, refuse_failures
from mpnas_ray.errors import RunError
from mpnas_ray.tables import TableTask

__all__ = ["META_TRAININGS", "SLOW_SECONDS", "Pair", "run_all"]

SLOW_SECONDS = 20.0
"""CPU time of a run from which a method is slow, and has fewer seeds."""

META_TRAININGS = 3
"""Predictors that are meta-learned for each set of sources; the runs of a method take them in turn."""

Pair = tuple[str, Column]
"""Name of a method, and what it searches."""


def run_all(config: ComparisonConfig, tasks: Mapping[str, TableTask]) -> dict[Pair, list[Result]]:
    """Return the results of each method on each column that it takes part in, in the order of their seeds.

    First predictors are meta-learned where they are missing, then each pair is run once, and how long that took says
    how many seeds it gets. A run that fails does not stop the others; interrupted, the same call goes on with what is
    missing.

    Args:
        config: The comparison, its folders by absolute paths.
        tasks: Tasks of the columns, and all that methods may know.

    Raises:
        PredictorError: If a checkpoint that is there has seen its target, or does not fit.
        RunError: When all are done, if some failed: naming each with its error.
        RunInterruptedError: After Ctrl-C.
    """
    pairs = [
        (name, column)
        for column in config.columns
        for name in config.methods
        if takes_part(METHODS[name], tasks[column.searched], tasks, column.sources)
    ]
    tables, budget = Path(config.tables), config.num_queries
    predictors = {
        (pair, seed): predictor_to_learn(
            Path(config.checkpoints),
            sources_of(METHODS[pair[0]], tasks[pair[1].searched], tasks, pair[1].sources),
            replace(config.learning, seed=seed),
            tables,
        )
        for pair in pairs
        if METHODS[pair[0]].knows == "predictor"
        for seed in range(min(config.seeds, META_TRAININGS))
    }
    for ((_, column), _), predictor in predictors.items():
        predictor.is_there(tasks[column.searched])  # refuses one that has seen the target
    state = _Replications(tasks, tables, predictors, Store(Path(config.work)))
    with ExitStack() as session:  # Ray starts with the first that has something to do
        failures = learn_missing_predictors(tuple(predictors.values()), session=session)
        first = {
            pair: Replication(*pair, budget, 0)
            for pair in pairs
            if (pair, 0) not in predictors or predictors[pair, 0].path.name not in failures
        }
        failures |= state.compute_missing(dict.fromkeys(first.values(), 1.0), session)
        found = {pair: result for pair, run in first.items() if (result := state.find(run)) is not None}
        runs = {
            pair: [Replication(*pair, budget, seed) for seed in range(_num_seeds(pair, one, config))]
            for pair, one in found.items()
        }
        expected = {
            run: found[pair].seconds
            for pair, of_pair in runs.items()
            for run in of_pair
            if (used := state.predictor(run)) is None or used.path.name not in failures
        }
        failures |= state.compute_missing(expected, session)
    refuse_failures(failures)
    results = {pair: [state.find(run) for run in of_pair] for pair, of_pair in runs.items()}
    complete = {pair: [one for one in of_pair if one is not None] for pair, of_pair in results.items()}
    lost = [pair for pair in pairs if pair not in results or len(complete[pair]) < len(results[pair])]
    if lost:
        name, column = lost[0]
        raise RunError(
            f"Runs of {name} on {column.searched} are done, but not in {config.work}: all nodes must reach it."
        )
    return complete


def _num_seeds(pair: Pair, first: Result, config: ComparisonConfig) -> int:
    if not METHODS[pair[0]].seeded:
        return 1
    return min(config.seeds, config.slow_seeds) if first.seconds > SLOW_SECONDS else config.seeds


@dataclass(frozen=True)
class _Replications:
    """The replications of a comparison, with what they have in common."""

    tasks: Mapping[str, TableTask]
    tables: Path
    predictors: Mapping[tuple[Pair, int], PredictorToLearn]
    store: Store

    def predictor(self, run: Replication) -> PredictorToLearn | None:
        """Return the predictor that a replication uses, if it uses one."""
        return self.predictors.get(((run.method, run.column), run.seed % META_TRAININGS))

    def item(self, run: Replication, expected: float = 1.0) -> WorkItem:
        """Describe a replication, whose predictor must be there, as work."""
        predictor = self.predictor(run)
        return replication_item(run, self.tasks, self.tables, None if predictor is None else predictor.path, expected)

    def find(self, run: Replication) -> Result | None:
        """Return the result of a replication, if it was done."""
        result = self.store.read(self.item(run))
        return None if result is None else Result.from_plain(result)

    def compute_missing(self, expected: Mapping[Replication, float], session: ExitStack) -> dict[str, str]:
        """Do the missing ones of replications, whose seconds are expected; return name -> error of what failed."""
        items = [self.item(run, seconds) for run, seconds in expected.items()]
        return compute_missing(items, self.store, session=session)
