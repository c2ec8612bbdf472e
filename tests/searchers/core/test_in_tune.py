"""The searchers inside real Tune experiments, with a trainable that knows nothing of ours but ``config["arch"]``."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from numpy.typing import ArrayLike
from ray import cloudpickle, tune
from ray.tune.schedulers import HyperBandForBOHB, PopulationBasedTraining, TrialScheduler

from mpnas_ray.predictors import GCNPredictor, Predictor
from mpnas_ray.spaces import Architecture, get_space
from searchers import ArchitectureSearcher, MPNASSearch
from searchers.background import BackgroundWorker
from searchers.core.candidates import Candidates
from searchers.core.state import read_state
from searchers.model_based.ranking.base import Ranking, RankingRequest
from searchers.model_based.ranking.by_predictor import PredictorRanker

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]


def quality(arch: str) -> float:
    return arch.count("conv_3x3") - 0.5 * arch.count("none")


class Trainable(tune.Trainable):
    """Once a trial is done, the others wait while there is a file ``held``."""

    def setup(self, config: dict[str, Any]) -> None:
        self.arch, self.pause, self.folder = config["arch"], config["pause"], Path(config["folder"])
        self.lr, self.layers = config["optimizer"]["lr"], config["layers"]

    def step(self) -> dict[str, Any]:
        time.sleep(self.pause)
        while (self.folder / "held").exists() and (self.folder / "done").exists():
            time.sleep(0.02)
        if self.arch.count("skip") >= 4:
            raise RuntimeError("injected")
        value = float("nan") if self.arch.count("avg") >= 4 else quality(self.arch) - 1 / self.iteration_number
        if not isinstance(self.lr, float) or self.layers not in ([1, 3], [2, 3]):
            raise TypeError(f"{self.lr!r} and {self.layers!r} were not drawn")
        if self.iteration_number == 9:
            (self.folder / "done").touch()
        return {"score": value, "done": self.iteration_number == 9}

    @property
    def iteration_number(self) -> int:
        return int(self.training_iteration) + 1

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        Path(checkpoint_dir, "arch").write_text(self.arch)

    def load_checkpoint(self, checkpoint: Any) -> None:
        self.arch = Path(checkpoint, "arch").read_text()


PARAM_SPACE: dict[str, Any] = {
    "constant": 3,
    "optimizer": {"lr": tune.loguniform(1e-4, 1.0)},
    "layers": [tune.choice([1, 2]), 3],
    "pause": 0.0,
}


def tuner(
    searcher: ArchitectureSearcher,
    folder: Path,
    num_samples: int,
    scheduler: TrialScheduler | None = None,
    pause: float = 0.0,
    callbacks: Sequence[tune.Callback] = (),
) -> tune.Tuner:
    return tune.Tuner(
        Trainable,
        param_space={**PARAM_SPACE, "pause": pause, "folder": str(folder)},
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=scheduler,
            metric="score",
            mode="max",
            num_samples=num_samples,
            max_concurrent_trials=2,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(name="run", storage_path=str(folder), callbacks=[*callbacks], verbose=0),
    )


def statuses(experiment: Path) -> list[str]:
    """List the trials of the snapshot; none if its files are of different ages or not whole, as while Tune copies."""
    (trials,) = experiment.glob("experiment_state-*.json")
    (generator,) = experiment.glob("search_gen_state-*.json")
    (searcher,) = experiment.glob("searcher-state-*.pkl")
    read_state(searcher)
    found = [json.loads(trial)["status"] for trial, _ in json.loads(trials.read_text())["trial_data"]]
    return found if cloudpickle.loads(generator.read_bytes())["counter"] == len(found) else []


def stopped_between_two_snapshots(driver: subprocess.Popen[bytes], experiment: Path) -> bool:
    """Halt a driver whose snapshot has a trial that ended and one under way, so that it can be killed there."""
    driver.send_signal(signal.SIGSTOP)
    try:
        if {"RUNNING", "TERMINATED"} <= {*statuses(experiment)}:
            return True
    except (ValueError, EOFError, pickle.UnpicklingError):
        pass  # a file is missing or half there
    driver.send_signal(signal.SIGCONT)
    return False


def test_a_killed_experiment_is_restored_without_its_unfinished_trials(
    tmp_path: Path, wait_for: Callable[..., Any], on_ray: dict[str, str]
) -> None:
    script = f"""
from pathlib import Path
import test_in_tune
from ray import cloudpickle
from searchers import MPNASSearch
cloudpickle.register_pickle_by_value(test_in_tune)
test_in_tune.tuner(MPNASSearch("nasbench201", seed=0), Path({str(tmp_path)!r}), 8).fit()
"""
    (tmp_path / "held").touch()
    environment = {**on_ray, "TUNE_GLOBAL_CHECKPOINT_S": "0.5", "PYTHONPATH": str(Path(__file__).parent)}
    first = subprocess.Popen([sys.executable, "-c", script], env=environment)
    wait_for(lambda: first.poll() is not None or stopped_between_two_snapshots(first, tmp_path / "run"))
    assert first.poll() is None, "it ended by itself"
    first.kill()
    first.wait()
    (tmp_path / "held").unlink()
    shutil.copytree(tmp_path / "run", tmp_path / "again")
    # With Tune's own concurrency limit this would wait for ever.
    results = tune.Tuner.restore(str(tmp_path / "run"), Trainable, resume_unfinished=False).fit()
    assert len(results) == 8
    iterations = [(results[number].metrics or {}).get("training_iteration", 0) for number in range(8)]
    assert min(iterations) < 9, "what was under way is given up"
    assert max(iterations) == 9, "the rest is run"
    again = {**PARAM_SPACE, "folder": str(tmp_path)}
    given_again = tune.Tuner.restore(str(tmp_path / "again"), Trainable, param_space=again)
    for each in (results, given_again.fit()):
        rates = [each[number].config["optimizer"]["lr"] for number in range(8) if each[number].config]
        assert len(set(rates)) == len(rates) > 2  # a trial that fails before its first result has no config here
        assert not any("not drawn" in str(error) for error in each.errors)


def report_types(config: dict[str, Any]) -> None:
    tune.report({"score": float(len(config["arch"])), "types": described({**config, "arch": ""})})


def described(value: Any) -> Any:
    """The types in a config, deeply, and the values of what is constant."""
    if isinstance(value, dict):
        return {name: described(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value).__name__, [described(each) for each in value]
    return type(value).__name__ if isinstance(value, float) or callable(value) else repr(value)


def quarter(config: dict[str, Any]) -> float:
    return float(config["width"]) / 4


EVERYTHING: dict[str, Any] = {
    "width": 64,
    "quarter": tune.sample_from(quarter),
    "lr": tune.loguniform(1e-4, 1.0),
    "rounded": tune.qrandint(5, 9, 5),
    "in a list": [tune.uniform(0, 1), "constant", (tune.quniform(0, 1, 0.5), None)],
    "in a tuple": (tune.randn(), 3),
    "in lists in mappings": {"a": [{"b": tune.uniform(1, 2), "c": 1.5}, {3: tune.uniform(0, 1)}]},
    "in a choice": tune.choice([{"kind": "sgd", "momentum": tune.uniform(0, 1)}]),
    "objects": {"path": Path("a"), "type": np.float32(2), "function": quality, "none": None},
    "choice of objects": tune.choice([quality]),
    "single/slash": tune.choice([(1, "b")]),
}


def test_trials_receive_what_tune_alone_would_give_them(tmp_path: Path) -> None:
    """Type by type, beside Tune's own random search."""

    def types(searcher: ArchitectureSearcher | None, name: str) -> list[Any]:
        space = EVERYTHING if searcher else {**EVERYTHING, "arch": tune.choice(ARCHS)}
        config = tune.TuneConfig(search_alg=searcher, metric="score", mode="max", num_samples=2)
        run_config = tune.RunConfig(name=name, storage_path=str(tmp_path), verbose=0)
        results = tune.Tuner(report_types, param_space=space, tune_config=config, run_config=run_config).fit()
        return [results[number].metrics["types"] for number in range(len(results))]

    (theirs, *_), ours = types(None, "theirs"), types(MPNASSearch("nasbench201", seed=0), "ours")
    assert ours == [theirs, theirs]


def test_without_a_param_space_metric_and_mode_reach_a_searcher_and_tunes_table_shows_architectures(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AIR_NEW_OUTPUT", "1")  # as it is unless one of our own runs in this process has set it
    searcher = MPNASSearch("nasbench201", seed=0)

    def train(config: dict[str, Any]) -> None:
        tune.report({"accuracy": quality(config["arch"])})

    config = tune.TuneConfig(search_alg=searcher, metric="accuracy", mode="max", num_samples=3, max_concurrent_trials=2)
    results = tune.Tuner(
        train, tune_config=config, run_config=tune.RunConfig(storage_path=str(tmp_path), verbose=1)
    ).fit()
    archs = [results[number].config["arch"] for number in range(3)]
    assert len({*archs}) == 3
    table = capfd.readouterr().out
    assert all(f" ...{arch[-17:]} " in table for arch in archs), "as Tune shortens what is long"
    assert (searcher.metric, searcher.mode) == ("accuracy", "max")
    assert len(searcher.observations.completed) == 3
    assert searcher._worker is not None
    assert searcher._worker._actor is None, "it knows of the last trial"


def test_bohbs_hyperband_goes_along_and_population_based_training_is_refused(tmp_path: Path) -> None:
    searcher = MPNASSearch("nasbench201", seed=0)
    bohb = HyperBandForBOHB(max_t=9, time_attr="training_iteration")
    results = tuner(searcher, tmp_path / "bohb", 6, scheduler=bohb).fit()
    assert len({results[number].config["arch"] for number in range(6)}) == 6
    assert all(record.status in ("completed", "failed") for record in searcher.observations.trials.values())
    mutations = {"optimizer": {"lr": tune.loguniform(1e-4, 1.0)}}
    population = PopulationBasedTraining(hyperparam_mutations=mutations)
    with pytest.raises(ValueError, match="Search algorithms cannot be used with PopulationBasedTraining"):
        tuner(MPNASSearch("nasbench201"), tmp_path / "pbt", 2, scheduler=population).fit()
    assert not list(tmp_path.glob("pbt/run/*/result.json"))


class KillRefits(tune.Callback):
    """Kills the process of the refits each time a trial ends."""

    def __init__(self, searcher: MPNASSearch) -> None:
        self.searcher, self.killed = searcher, 0

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        worker = self.searcher._worker
        if worker is not None and worker._actor is not None:
            ray.kill(worker._actor)
            self.killed += 1


def test_killed_refits_cost_no_trial_and_their_actor_ends_with_the_experiment(tmp_path: Path) -> None:
    searcher = MPNASSearch("nasbench201", seed=0, refit_every=2)
    callback = KillRefits(searcher)
    tuner(searcher, tmp_path, 10, pause=0.05, callbacks=[callback]).fit()
    assert len({event["arch"] for event in searcher.events if event["event"] == "proposal"}) == 10
    assert callback.killed >= 2
    assert searcher._worker is not None
    assert searcher._worker._actor is None


def test_the_first_proposals_wait_for_no_process() -> None:
    searcher = MPNASSearch("nasbench201", seed=0)
    searcher.set_search_properties("score", "max", {}, num_samples=8)
    assert all(isinstance(searcher.suggest(trial_id), dict) for trial_id in "ab")
    assert [event["event"] for event in searcher.events] == ["zero_shot", "proposal", "proposal"]


ARCHS = [str(arch) for arch in get_space("nasbench201").sample_many(6, np.random.default_rng(0))]
LABELS = np.array([quality(arch) for arch in ARCHS])
NOTHING_SEEN = np.empty(0, dtype=np.uint64)


def ranking_worker(
    space: str = "nasbench201", predictor: Predictor | None = None
) -> BackgroundWorker[RankingRequest, Ranking]:
    return BackgroundWorker(PredictorRanker(Candidates(space), predictor, "mean", num_candidates=100).rank)


class Held(GCNPredictor):
    """Is fitted once there is a file."""

    def __init__(self, marker: Path) -> None:
        super().__init__()
        self.marker = marker

    def fit(self, archs: Sequence[Architecture], scores: ArrayLike) -> None:
        while not self.marker.exists():
            time.sleep(0.02)
        super().fit(archs, scores)


def test_a_refit_runs_beside_trials_that_hold_every_cpu(tmp_path: Path, wait_for: Callable[..., Any]) -> None:
    @ray.remote(num_cpus=2)
    class Hog:
        def ready(self) -> bool:
            return True

    hog = Hog.remote()
    assert ray.get(hog.ready.remote())
    at_work = ranking_worker(predictor=Held(tmp_path / "asked"))
    assert at_work.start(RankingRequest(ARCHS, LABELS, NOTHING_SEEN, seed=1)) is None, "beside Tune's control loop"
    assert [at_work.poll() for _ in range(3)] == [None] * 3, "polling waits for nothing"
    (tmp_path / "asked").touch()
    ranking = wait_for(at_work.poll, "the ranking")
    assert at_work.under_way is None
    assert len(ranking) == len(get_space("nasbench201").distinct())
    assert (np.diff(ranking.predicted) <= 0).all()
    ray.kill(hog)


MIXED = [str(arch) for arch in get_space("mixed").sample_many(5, np.random.default_rng(0))]


def test_one_actor_makes_one_ranking_after_the_other_and_samples_large_spaces_afresh(
    wait_for: Callable[..., Any],
) -> None:
    at_work = ranking_worker("mixed")
    rankings, processes = [], set()
    for seed in (1, 2):
        at_work.start(RankingRequest(MIXED, np.arange(5.0), NOTHING_SEEN, seed))
        processes.add(at_work._actor)
        rankings.append(wait_for(at_work.poll, "the ranking"))
    assert len(processes) == 1
    first, second = rankings
    assert len(first) > 100, "those sampled, and neighbours of the best"
    assert len(np.unique(first.keys)) == len(first)
    assert len(np.intersect1d(first.keys, second.keys)) < len(first) / 2


class Fragile(GCNPredictor):
    """Kills its process once, or fails."""

    def __init__(self, marker: str) -> None:
        super().__init__()
        self.marker = marker

    def fit(self, archs: Sequence[Architecture], scores: ArrayLike) -> None:
        if not self.marker:
            raise RuntimeError("injected")
        if not Path(self.marker).exists():
            Path(self.marker).touch()
            os._exit(1)
        super().fit(archs, scores)


def test_an_actor_that_dies_is_started_again(tmp_path: Path, wait_for: Callable[..., Any]) -> None:
    at_work = ranking_worker(predictor=Fragile(str(tmp_path / "died")))
    at_work.start(RankingRequest(ARCHS, LABELS, NOTHING_SEEN, seed=1))
    assert len(wait_for(at_work.poll, "the ranking"))
    assert (tmp_path / "died").exists()


def test_a_failing_refit_raises_where_it_is_polled_and_the_next_one_works(wait_for: Callable[..., Any]) -> None:
    at_work = ranking_worker(predictor=Fragile(""))
    at_work.start(RankingRequest(ARCHS, LABELS, NOTHING_SEEN, seed=1))
    with pytest.raises(RuntimeError, match="injected"):
        wait_for(at_work.poll)
    assert at_work.under_way is None
