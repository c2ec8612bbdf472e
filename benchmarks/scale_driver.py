"""One experiment of benchmarks/scale.py, in a process of its own, on the Ray cluster at ``RAY_ADDRESS``.

Trials look a table up and sleep. Records of the driver are written at every so many completed trials, so that they
outlive the kill by which a run to be resumed ends.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import optuna
import psutil
import ray
from ray import tune
from ray.cloudpickle import register_pickle_by_value
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch
from ray_inside import TuneController
from ray_inside import storage as ray_storage
from tabular_runs import SPACE, write_table
from timing import CallTimes

import trainables.tune.tabular
from cluster.observe.telemetry import SearchTelemetry
from cluster.ray.snapshots import reconcile
from cluster.run.trials import TUNE_ENVIRONMENT, snapshot_seconds, trial_id
from cluster.storage.run_folder import RunFolder
from cluster.storage.trial_files import read_trials
from mpnas_ray.spaces import get_space
from searchers import ArchitectureSearcher, MPNASSearch
from trainables import TabularTrainable

METRIC, MODE = "score", "max"
SEARCHERS: dict[str, Callable[[int], Searcher]] = {
    "MPNASSearch": lambda seed: MPNASSearch(SPACE, METRIC, MODE, seed=seed, allow_isomorphic=True),
    "OptunaSearch": lambda seed: OptunaSearch(seed=seed),
}
"""Ours, and one of Tune's. Ours write a run's telemetry besides, as in `cluster.run.trials`."""

PACE = snapshot_seconds(2_000)
"""Pace of our snapshots: seconds from one to the next, or ``auto`` for Tune's own."""

RUN = "run"
"""Name of the folder of an experiment."""


@dataclass(frozen=True)
class Case:
    """An experiment.

    Attributes:
        name: Name of its files.
        searcher: One of `SEARCHERS`.
        num_samples: Trials of the experiment.
        slots: Most trials at a time.
        seconds: Seconds for which a trial sleeps.
        reports: Number of results of a trial, which sleeps between them.
        kill_at: Completed trials at which the driver is killed; None for a whole experiment.
        mark_every: Completed trials from one mark to the next.
        pace: Pace of snapshots, as `PACE`.
        seed: Seed of the searcher.
    """

    name: str
    searcher: str
    num_samples: int
    slots: int
    seconds: float
    reports: int = 1
    kill_at: int | None = None
    mark_every: int = 100
    pace: str = PACE
    seed: int = 0

    def make_searcher(self) -> Searcher:
        return SEARCHERS[self.searcher](self.seed)

    @property
    def ours(self) -> bool:
        return isinstance(self.make_searcher(), ArchitectureSearcher)


class SleepingTrial(TabularTrainable):
    """A trial that may report several times, says when it ran, and takes an architecture as six choices, too."""

    def _look_up(self, config: dict[str, Any]) -> None:
        arch = config.get("arch")
        if arch is None:
            space = get_space(SPACE)
            codes = [config[f"code{position}"] for position in range(space.code_length)]
            arch = str(space.architecture(np.array(codes, dtype=np.int8)))
        self._left = int(config["reports"])
        super()._look_up({**config, "arch": arch, "seconds": config["seconds"] / self._left})
        self._began: float | None = None

    def step(self) -> dict[str, Any]:
        self._began = self._began or time.time()
        result = super().step()
        self._left -= 1
        return {**result, "done": self._left <= 0, "began": self._began, "ended": time.time()}


@dataclass
class Records:
    """Records of the driver's work beside handling trials since the last mark: wall and CPU seconds of this thread."""

    calls: CallTimes = field(default_factory=CallTimes)
    snapshots: list[dict[str, float]] = field(default_factory=list)
    copies: list[dict[str, float]] = field(default_factory=list)
    num_trials: int = 0

    @contextmanager
    def kept(self, searcher: Searcher) -> Iterator[None]:
        """Time snapshots, their copying to the run folder, and the searcher's calls while this is open."""
        save, copy = TuneController.save_to_dir, ray_storage._pyarrow_fs_copy_files
        methods = ("suggest", "on_trial_result", "on_trial_complete", "save")

        def timed_save(controller: TuneController) -> None:
            wall, cpu = time.perf_counter(), time.thread_time()
            save(controller)
            seconds, cpu_seconds = time.perf_counter() - wall, time.thread_time() - cpu
            self.num_trials = len(controller.get_trials())
            staging = Path(controller._storage.experiment_driver_staging_path)
            state = staging / f"searcher-state-{controller._session_str}.pkl"
            self.snapshots.append(
                {
                    "trials": self.num_trials,
                    "seconds": seconds,
                    "cpu": cpu_seconds,
                    "bytes": (staging / controller.experiment_state_file_name).stat().st_size,
                    "searcher_bytes": state.stat().st_size if state.exists() else 0,
                }
            )

        def timed_copy(*args: Any, **kwargs: Any) -> None:
            trials, wall = self.num_trials, time.perf_counter()
            copy(*args, **kwargs)
            self.copies.append({"trials": trials, "seconds": time.perf_counter() - wall})

        with ExitStack() as stack:
            stack.enter_context(patch.object(TuneController, "save_to_dir", timed_save))
            stack.enter_context(patch.object(ray_storage, "_pyarrow_fs_copy_files", timed_copy))
            stack.enter_context(self.calls.of_methods(type(searcher), methods))
            yield

    def taken(self) -> dict[str, Any]:
        """Return what was noted, and forget it here."""
        calls = {name: {"calls": len(cpu), "cpu": sum(cpu)} for name, cpu in self.calls.cpu.items()}
        noted = {"calls": calls, "snapshots": self.snapshots, "copies": self.copies}
        self.snapshots, self.copies = [], []
        self.calls.wall.clear()
        self.calls.cpu.clear()
        return noted


class Clock(tune.Callback):
    """Writes a line of JSON at the start, then for every so many completed trials; kills the driver if it is to be."""

    def __init__(self, case: Case, path: Path, records: Records) -> None:
        self._case, self._path, self._records = case, path, records
        self._silent = False
        self._completed = 0
        self._spans: list[tuple[float, float, int]] = []

    def setup(self, **info: Any) -> None:
        self._mark()

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        if self._silent:
            return
        self._completed += 1
        self._spans.append(tuple(trial.last_result[key] for key in ("began", "ended", "pid")))
        if self._completed % self._case.mark_every == 0 or self._completed == self._case.num_samples:
            self._mark()
        if self._completed == self._case.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def _mark(self) -> None:
        if self._silent:
            return
        mark = {
            "trials": self._completed,
            "wall": time.perf_counter(),
            "cpu": time.process_time(),
            "control_cpu": time.thread_time(),
            "rss": psutil.Process().memory_info().rss,
            "spans": self._spans,
            **self._records.taken(),
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(mark)}\n")
        self._spans = []

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles it for a restored experiment, in which it notes nothing."""
        return {**self.__dict__, "_silent": True, "_records": None}


def start(case: Case, folder: Path) -> None:
    """Start a new experiment."""
    searcher, records = case.make_searcher(), Records()
    constants: dict[str, Any] = {"tables": str(folder), "table_task": write_table(folder).name}
    constants |= {"seconds": case.seconds, "reports": case.reports}
    callbacks: list[tune.Callback] = [Clock(case, folder / "marks.jsonl", records)]
    if isinstance(searcher, ArchitectureSearcher):
        callbacks.append(SearchTelemetry(searcher, str(folder), RUN, METRIC))
    else:
        operations = range(len(get_space(SPACE).operations))
        constants |= {
            f"code{position}": tune.choice(list(operations)) for position in range(get_space(SPACE).code_length)
        }
    tuner = tune.Tuner(
        tune.with_resources(SleepingTrial, {"CPU": 1, "GPU": 1}),
        param_space=constants,
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            metric=METRIC,
            mode=MODE,
            num_samples=case.num_samples,
            max_concurrent_trials=case.slots,
            reuse_actors=True,
            trial_dirname_creator=trial_id,
        ),
        run_config=tune.RunConfig(name=RUN, storage_path=str(folder), callbacks=callbacks, verbose=0),
    )
    with records.kept(searcher):
        results = tuner.fit()
    check(results, case)


def resume(case: Case, folder: Path, started: float) -> dict[str, Any]:
    """Continue a killed experiment to its end as `cluster.run.trials` does; seconds since this process was started."""
    seconds = {"attached": time.time() - started}
    if case.ours:
        run = RunFolder(str(folder), RUN)
        reconcile(run, read_trials(run), case.make_searcher)  # type: ignore[arg-type]
    seconds["reconciled"] = time.time() - started
    trainable = tune.with_resources(SleepingTrial, {"CPU": 1, "GPU": 1})
    tuner = tune.Tuner.restore(str(folder / RUN), trainable, resume_unfinished=True)
    seconds["restored"] = time.time() - started
    results = tuner.fit()
    seconds["ended"] = time.time() - started
    check(results, case)
    began = np.sort([result.metrics["began"] for result in results])
    after = began[began > started] - started
    seconds["first trial"], seconds["all slots"] = float(after[0]), float(after[min(case.slots, len(after)) - 1])
    return {"seconds": seconds, "trials_after": len(after), "rss": psutil.Process().memory_info().rss}


def check(results: tune.ResultGrid, case: Case) -> None:
    assert len(results) == case.num_samples, f"{len(results)} of {case.num_samples} trials"
    assert not results.errors, results.errors[0]


def main() -> None:
    started = psutil.Process().create_time()
    action, folder = sys.argv[1], Path(sys.argv[2])
    case = Case(**json.loads((folder / "case.json").read_text(encoding="utf-8")))
    os.environ.update({**TUNE_ENVIRONMENT, "TUNE_GLOBAL_CHECKPOINT_S": case.pace})
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # By its name, a worker would import the whole of `trainables` and so torch: 290 MB and 3 s of a core for each.
    register_pickle_by_value(trainables.tune.tabular)
    ray.init(log_to_driver=False, logging_level=logging.ERROR)
    try:
        if action == "start":
            start(case, folder)
        else:
            (folder / "resumed.json").write_text(json.dumps(resume(case, folder, started)), encoding="utf-8")
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main()
