"""The searchers inside real Tune experiments, with a trainable that knows nothing of ours but ``config["arch"]``."""

from __future__ import annotations

import json
import os
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
from ray import tune
from ray.tune.schedulers import TrialScheduler

from mpnas_ray.predictors import GCNPredictor, Predictor
from mpnas_ray.spaces import Architecture, get_space
from searchers import ArchitectureSearcher, MPNASSearch
from searchers.candidates import Candidates
from searchers.ranking import Ranker, RankingRequest
from searchers.refitting import Refitting

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]


def quality(arch: str) -> float:
    return arch.count("conv_3x3") - 0.5 * arch.count("none")


class Trainable(tune.Trainable):
    """Once a trial is done, the others wait while there is a file ``held``."""

    def setup(self, config: dict[str, Any]) -> None:
        self.arch, self.pause, self.folder = config["arch"], config["pause"], Path(config["folder"])

    def step(self) -> dict[str, Any]:
        time.sleep(self.pause)
        while (self.folder / "held").exists() and (self.folder / "done").exists():
            time.sleep(0.02)
        if self.arch.count("skip") >= 4:
            raise RuntimeError("injected")
        value = float("nan") if self.arch.count("avg") >= 4 else quality(self.arch) - 1 / self.iteration_number
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
        param_space={"constant": 3, "pause": pause, "folder": str(folder)},
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
    """Of the trials in the newest snapshot that is whole."""
    for snapshot in sorted(experiment.glob("experiment_state-*.json"), reverse=True):
        try:
            trials = [json.loads(trial) for trial, _ in json.loads(snapshot.read_text())["trial_data"]]
        except ValueError:  # it is being written
            continue
        return [trial["status"] for trial in trials]
    return []


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
    wait_for(lambda: {"RUNNING", "TERMINATED"} <= {*statuses(tmp_path / "run")} or first.poll() is not None)
    assert first.poll() is None, "it ended by itself"
    first.kill()
    first.wait()
    (tmp_path / "held").unlink()
    restored = tune.Tuner.restore(str(tmp_path / "run"), Trainable, resume_unfinished=False)
    results = restored.fit()  # with Tune's own concurrency limit this would wait for ever
    assert len(results) == 8
    iterations = [(results[number].metrics or {}).get("training_iteration", 0) for number in range(8)]
    assert min(iterations) < 9, "what was under way is given up"
    assert max(iterations) == 9, "the rest is run"


class KillRefits(tune.Callback):
    """Kills the process of the refits each time a trial ends."""

    def __init__(self, searcher: MPNASSearch) -> None:
        self.searcher, self.killed = searcher, 0

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        refitting = self.searcher._refitting
        if refitting is not None and refitting._actor is not None:
            ray.kill(refitting._actor)
            self.killed += 1


def test_killed_refits_cost_no_trial_and_their_actor_ends_with_the_experiment(tmp_path: Path) -> None:
    searcher = MPNASSearch("nasbench201", seed=0, refit_every=2)
    callback = KillRefits(searcher)
    tuner(searcher, tmp_path, 10, pause=0.05, callbacks=[callback]).fit()
    assert len({event["arch"] for event in searcher.events if event["event"] == "proposal"}) == 10
    assert callback.killed >= 2
    assert searcher._refitting is not None
    assert searcher._refitting._actor is None


def test_the_first_proposals_wait_for_no_process() -> None:
    searcher = MPNASSearch("nasbench201", seed=0)
    searcher.set_search_properties("score", "max", {}, num_samples=8)
    assert all(isinstance(searcher.suggest(trial_id), dict) for trial_id in "ab")
    assert [event["event"] for event in searcher.events] == ["zero_shot", "proposal", "proposal"]


ARCHS = [str(arch) for arch in get_space("nasbench201").sample_many(6, np.random.default_rng(0))]
LABELS = np.array([quality(arch) for arch in ARCHS])
NOTHING_SEEN = np.empty(0, dtype=np.uint64)


def refitting(space: str = "nasbench201", predictor: Predictor | None = None) -> Refitting:
    return Refitting(Ranker(Candidates(space), predictor, "mean", num_candidates=100))


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
    at_work = refitting(predictor=Held(tmp_path / "asked"))
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
    at_work = refitting("mixed")
    rankings, processes = [], set()
    for seed in (1, 2):
        at_work.start(RankingRequest(MIXED, np.arange(5.0), NOTHING_SEEN, seed))
        processes.add(at_work._actor)
        rankings.append(wait_for(at_work.poll, "the ranking"))
    assert len(processes) == 1
    first, second = rankings
    assert 50 < len(first) <= 100
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
    at_work = refitting(predictor=Fragile(str(tmp_path / "died")))
    at_work.start(RankingRequest(ARCHS, LABELS, NOTHING_SEEN, seed=1))
    assert len(wait_for(at_work.poll, "the ranking"))
    assert (tmp_path / "died").exists()


def test_a_failing_refit_raises_where_it_is_polled_and_the_next_one_works(wait_for: Callable[..., Any]) -> None:
    at_work = refitting(predictor=Fragile(""))
    at_work.start(RankingRequest(ARCHS, LABELS, NOTHING_SEEN, seed=1))
    with pytest.raises(RuntimeError, match="injected"):
        wait_for(at_work.poll)
    assert at_work.under_way is None
