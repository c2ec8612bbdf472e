"""The predictor study: do the missing work of all its targets, and show what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cluster.artifacts.learned_predictors import PredictorToLearn, learn_missing_predictors, load_sources
from cluster.experiments.studies.predictors.charts import charts
from cluster.experiments.studies.predictors.judging import Measurement
from cluster.experiments.studies.predictors.methods import META_LEARNED, METHODS, SLOW, Knowledge
from cluster.experiments.studies.predictors.page import body_of
from cluster.experiments.studies.predictors.pictures import save_picture
from cluster.experiments.studies.predictors.results import Results
from cluster.experiments.studies.predictors.targets import study_targets
from cluster.experiments.studies.predictors.units import Unit, unit_item
from cluster.experiments.studies.study import Report
from cluster.report.html import Html
from cluster.work.items import Store
from cluster.work.running import compute_missing, read_all, refuse_failures
from mpnas_ray.checks import require_count
from mpnas_ray.errors import RunError
from mpnas_ray.meta_learning.mixture import MixtureConfig
from mpnas_ray.names import no_such
from mpnas_ray.tables import BUNDLED_TABLE, TableTask, leaves_out, load_tasks

__all__ = ["PREDICTORS", "PredictorStudy"]

_COMMAND = "mpnas reproduce predictors --tables DIR"


@dataclass(frozen=True)
class PredictorStudy:
    """The study of White et al. 2021 with our methods; see `cluster.experiments.studies.study.Study`."""

    name: str = "predictors"
    title: str = "How well each method ranks, and what it costs"
    holds: str = "All measurements are"
    options: tuple[str, ...] = ("seeds", "slow_seeds")
    has_picture: bool = True

    def measure(
        self,
        tables: Path,
        work: Path,
        report: Report,
        *,
        seeds: int = 10,
        slow_seeds: int = 3,
        methods: Sequence[str] | None = None,
        config: MixtureConfig | None = None,
        own_table: Path = BUNDLED_TABLE,
    ) -> dict[str, Any]:
        """Do the missing units, after the predictors that they need.

        Args:
            tables: Folder of NAS tables.
            work: Folder of the work.
            report: Receives a line for each step.
            seeds: Number of draws, and seeds of methods.
            slow_seeds: Number for methods in `SLOW`; no more than ``seeds``.
            methods: Names of `METHODS`; all if None.
            config: Settings of the meta-learning; `MixtureConfig()` if None.
            own_table: A file of `mpnas tables build`.
        """
        seeds = require_count("seeds", seeds, 2, error=RunError)
        slow_seeds = require_count("slow_seeds", slow_seeds, 1, error=RunError)
        chosen = list(METHODS) if methods is None else list(methods)
        for name in chosen:
            if name not in METHODS:
                raise RunError(no_such("method", name, METHODS))
        folder = work / self.name
        official, own = load_tasks(tables), load_tasks(own_table)
        targets = study_targets(official, own)
        predictors: dict[str, PredictorToLearn] = {}
        if META_LEARNED in chosen:
            files = (tables, own_table)
            predictors = _predictors({**official, **own}, targets, files, folder, config or MixtureConfig())
        with ExitStack() as session:  # Ray starts with the first that has something to do
            learned = tuple(dict.fromkeys(predictors.values()))
            refuse_failures(learn_missing_predictors(learned, report=report, session=session))
            units = {
                Unit(method, target, seed): Knowledge(
                    own_table, predictors[target].path if method == META_LEARNED else None
                )
                for seed in range(seeds)  # so that a study that was stopped has some seeds of all methods
                for method in chosen
                for target in targets
                if METHODS[method].fits(target) and seed < (slow_seeds if method in SLOW else seeds)
            }
            items = {unit: unit_item(unit, knowledge, targets, tables) for unit, knowledge in units.items()}
            every, store = tuple(items.values()), Store(folder)
            missing = sum(store.read(item) is None for item in every)
            if missing:
                report(f"{missing} of {len(every)} units are to be done")
            refuse_failures(compute_missing(every, store, session=session))
        found = read_all(every, store)
        return {
            "command": f"{_COMMAND} --seeds {seeds} --slow-seeds {slow_seeds}",
            "seeds": seeds,
            "slow_seeds": slow_seeds,
            "units": [{**asdict(unit), "measurements": found[item.name]} for unit, item in items.items()],
        }

    def body(self, content: Mapping[str, Any]) -> str:
        """Write the page from the measurements."""
        return body_of(content, _results(content))

    def save_picture(self, content: Mapping[str, Any], path: Path) -> None:
        """Draw how well each method ranks, against training architectures and time."""
        save_picture(_results(content), path)

    def charts(self, content: Mapping[str, Any]) -> list[Html]:
        """Draw the same for the page with charts."""
        return charts(_results(content))


def _predictors(
    tasks: Mapping[str, TableTask],
    targets: Mapping[str, TableTask],
    files: Sequence[Path],
    folder: Path,
    config: MixtureConfig,
) -> dict[str, PredictorToLearn]:
    """Return target -> a predictor that learns nothing of its data sets; targets of equal data sets share one."""
    held_out: dict[tuple[str, ...], list[str]] = {}
    for name, target in targets.items():
        held_out.setdefault(target.datasets, []).append(name)
    of_datasets = {
        datasets: PredictorToLearn(
            folder / "meta-learned" / f"without-{'-'.join(datasets)}",
            tuple(leaves_out(tasks, names)),
            partial(load_sources, files, names),
            config,
            _COMMAND,
        )
        for datasets, names in held_out.items()
    }
    return {name: of_datasets[target.datasets] for name, target in targets.items()}


def _results(content: Mapping[str, Any]) -> Results:
    return Results(
        {
            Unit(entry["method"], entry["target"], entry["seed"]): [
                Measurement.from_dict(values) for values in entry["measurements"]
            ]
            for entry in content["units"]
        }
    )


PREDICTORS = PredictorStudy()
